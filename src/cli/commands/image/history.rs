//! `image history`.

use rcompose_image::Image;
use serde_json::{Value, json};

use super::place::store;
use crate::args::ImageHistoryArgs;
use crate::failure::Failure;
use crate::output;
use crate::session::Session;
use crate::table::{duration, ellipsis, size, table};
use crate::template::{Template, go_json};

/// The longest command that is shown. Source: docker, `image history`.
const LONGEST: usize = 45;

/// Runs `image history`.
pub(super) fn run(session: &Session, args: &ImageHistoryArgs) -> Result<u8, Failure> {
    let image = store(session)?.find(&args.image)?;
    let rows = rows(&image, args);
    if args.quiet {
        output::out(&rows.iter().map(|row| format!("{}\n", text(row, "ID"))).collect::<String>())?;
        return Ok(0);
    }
    match args.format.as_deref() {
        None | Some("table") => {
            let mut lines: Vec<Vec<String>> = vec![["IMAGE", "CREATED", "CREATED BY", "SIZE", "COMMENT"].map(str::to_owned).to_vec()];
            let created = if args.human { "CreatedSince" } else { "CreatedAt" };
            lines.extend(
                rows.iter()
                    .map(|row| ["ID", created, "CreatedBy", "Size", "Comment"].iter().map(|it| text(row, it)).collect()),
            );
            output::out(&table(&lines, 10, 3))?;
        }
        Some("json") => output::out(&rows.iter().map(|row| format!("{}\n", go_json(row))).collect::<String>())?,
        Some(format) => {
            let template = Template::parse(format)?;
            for row in &rows {
                output::line(&template.fill(row)?)?;
            }
        }
    }
    Ok(0)
}

fn text(row: &Value, key: &str) -> String {
    row[key].as_str().unwrap_or_default().to_owned()
}

/// Returns the steps, the latest first; those that made a layer have its size. An image without history shows its layers.
fn rows(image: &Image, args: &ImageHistoryArgs) -> Vec<Value> {
    let mut sizes = image.record.layers.iter().map(|it| it.size);
    let mut history = image.config.history.clone();
    if history.is_empty() {
        history = vec![rcompose_image::History::default(); image.record.layers.len()];
    }
    let mut rows: Vec<Value> = history
        .iter()
        .map(|step| {
            let bytes = if step.empty_layer { 0 } else { sizes.next().unwrap_or_default() };
            let at: Option<jiff::Timestamp> = step.created.as_ref().and_then(|it| it.parse().ok());
            let since = at.map_or("N/A".into(), |at| format!("{} ago", duration(jiff::Timestamp::now().as_second() - at.as_second())));
            // A command may have line ends, which a table has no room for.
            let by = step.created_by.replace(['\t', '\n'], " ");
            json!({
                "ID": "<missing>", "CreatedAt": at.map_or("N/A".into(), |it| it.to_string()), "CreatedSince": since,
                "CreatedBy": if args.no_trunc { by } else { ellipsis(&by, LONGEST) },
                "Size": if args.human { size(bytes) } else { bytes.to_string() }, "Comment": step.comment,
            })
        })
        .collect();
    rows.reverse();
    if let Some(first) = rows.first_mut() {
        first["ID"] = if args.no_trunc { image.id.to_string() } else { image.id.short() }.into();
    }
    rows
}
