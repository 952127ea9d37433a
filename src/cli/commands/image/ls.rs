//! `image ls`.

use rcompose_image::{Image, Reference, Store};
use serde_json::{Value, json};

use super::place::store;
use crate::args::ImageLsArgs;
use crate::failure::Failure;
use crate::output;
use crate::session::Session;
use crate::table::{duration, size, table};
use crate::template::{Template, go_json};

/// What docker shows where there is no name.
const NONE: &str = "<none>";
/// Least width of a column. Source: `docker image ls`.
const COLUMN: usize = 10;

/// One row: an image under one of its names.
#[derive(Debug, Clone)]
struct Row {
    repository: String,
    tag: String,
    digest: String,
    id: String,
    created: Option<jiff::Timestamp>,
    size: u64,
}

/// Runs `image ls`.
pub(super) fn run(session: &Session, args: &ImageLsArgs) -> Result<u8, Failure> {
    let store = store(session)?;
    let filters = args.filter.iter().map(|it| Filter::of(it, &store)).collect::<Result<Vec<_>, _>>()?;
    let mut rows = Vec::new();
    for image in store.images()? {
        rows.extend(
            rows_of(&image)
                .into_iter()
                .filter(|row| filters.iter().all(|it| it.takes(&image, row)) && args.name.as_ref().is_none_or(|name| row.fits(name))),
        );
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.created));
    output::out(&rendered(&rows, args)?)?;
    Ok(0)
}

/// Returns a row for each name, and one for an image without.
fn rows_of(image: &Image) -> Vec<Row> {
    let created = image.config.created.as_ref().and_then(|it| it.parse().ok());
    let row = |name: Option<&Reference>| {
        let here = |it: &&Reference| name.is_none_or(|name| it.repository() == name.repository());
        let known = image.record.registries.iter().find(here);
        let repository = name.or(known).map(|it| it.repository().familiar());
        Row {
            repository: repository.unwrap_or_else(|| NONE.into()),
            tag: name.and_then(Reference::tag).unwrap_or(NONE).to_owned(),
            digest: known.and_then(Reference::digest).map_or(NONE.to_owned(), |it| it.to_string()),
            id: image.id.to_string(),
            created,
            size: image.size(),
        }
    };
    if image.names.is_empty() {
        vec![row(None)]
    } else {
        image.names.iter().map(|name| row(Some(name))).collect()
    }
}

fn rendered(rows: &[Row], args: &ImageLsArgs) -> Result<String, Failure> {
    let id = |row: &Row| if args.no_trunc { row.id.clone() } else { row.id[7..19].to_owned() };
    if args.quiet {
        let mut ids: Vec<String> = rows.iter().map(|row| format!("{}\n", id(row))).collect();
        ids.dedup();
        return Ok(ids.concat());
    }
    match args.format.as_deref() {
        None | Some("table") => {
            let mut head = vec!["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"];
            if args.digests {
                head.insert(2, "DIGEST");
            }
            let mut lines: Vec<Vec<String>> = vec![head.into_iter().map(str::to_owned).collect()];
            lines.extend(rows.iter().map(|row| {
                let mut line = vec![row.repository.clone(), row.tag.clone(), id(row), row.since(), size(row.size)];
                if args.digests {
                    line.insert(2, row.digest.clone());
                }
                line
            }));
            Ok(table(&lines, COLUMN, 3))
        }
        Some("json") => Ok(rows.iter().map(|row| format!("{}\n", go_json(&row.object(&id(row))))).collect()),
        Some(format) => {
            let (is_table, format) = format.strip_prefix("table ").map_or((false, format), |rest| (true, rest));
            let template = Template::parse(format)?;
            let filled = rows.iter().map(|row| template.fill(&row.object(&id(row)))).collect::<Result<Vec<_>, _>>()?;
            if !is_table {
                return Ok(filled.iter().map(|line| format!("{line}\n")).collect());
            }
            let lines = std::iter::once(template.headers().replace("CONTAINER ID", "IMAGE ID")).chain(filled);
            let cells: Vec<Vec<String>> = lines.map(|line| line.split('\t').map(str::to_owned).collect()).collect();
            Ok(table(&cells, COLUMN, 3))
        }
    }
}

impl Row {
    fn since(&self) -> String {
        self.created
            .map_or("N/A".into(), |at| format!("{} ago", duration(jiff::Timestamp::now().as_second() - at.as_second())))
    }

    /// Returns what templates speak of. Source: docker, `image ls --format`.
    fn object(&self, id: &str) -> Value {
        json!({
            "Containers": "N/A", "CreatedAt": self.created.map_or("N/A".into(), |it| it.strftime("%Y-%m-%d %H:%M:%S +0000 UTC").to_string()),
            "CreatedSince": self.since(), "Digest": self.digest, "ID": id, "Repository": self.repository, "SharedSize": "N/A",
            "Size": size(self.size), "Tag": self.tag, "UniqueSize": "N/A", "VirtualSize": size(self.size),
        })
    }

    /// Tells whether a name given as argument or filter fits: with `*`, and with any tag where none is written.
    fn fits(&self, pattern: &str) -> bool {
        let (name, tag) = match pattern.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (pattern, None),
        };
        let whole = self.repository.strip_prefix("docker.io/").unwrap_or(&self.repository);
        (matches(name, &self.repository) || matches(name, whole)) && tag.is_none_or(|tag| matches(tag, &self.tag))
    }
}

/// Matches `*` (no `/`) and `?`. Source: Go `path.Match`, which docker uses.
fn matches(pattern: &str, text: &str) -> bool {
    match (pattern.chars().next(), text.chars().next()) {
        (None, None) => true,
        (Some('*'), next) => {
            let rest = &pattern[1..];
            matches(rest, text) || next.is_some_and(|it| it != '/' && matches(pattern, &text[it.len_utf8()..]))
        }
        (Some('?'), Some(it)) if it != '/' => matches(&pattern[1..], &text[it.len_utf8()..]),
        (Some(a), Some(b)) if a == b => matches(&pattern[a.len_utf8()..], &text[b.len_utf8()..]),
        _ => false,
    }
}

/// What `--filter` asks for.
#[derive(Debug)]
enum Filter {
    Dangling(bool),
    Reference(String),
    Label(String, Option<String>),
    Before(Option<jiff::Timestamp>),
    Since(Option<jiff::Timestamp>),
}

impl Filter {
    fn of(text: &str, store: &Store) -> Result<Self, Failure> {
        let wrong = || {
            Failure::usage(
                format!("`{text}` is no filter of images"),
                "write dangling=BOOL, reference=PATTERN, label=KEY[=VALUE], before=IMAGE or since=IMAGE",
            )
        };
        let (key, value) = text.split_once('=').ok_or_else(wrong)?;
        let created = |image: &str| -> Result<_, Failure> { Ok(store.find(image)?.config.created.and_then(|it| it.parse().ok())) };
        match key {
            "dangling" => match value {
                "true" | "1" => Ok(Self::Dangling(true)),
                "false" | "0" => Ok(Self::Dangling(false)),
                _ => Err(wrong()),
            },
            "reference" => Ok(Self::Reference(value.to_owned())),
            "label" => {
                let (key, value) = value.split_once('=').map_or((value, None), |(key, value)| (key, Some(value.to_owned())));
                Ok(Self::Label(key.to_owned(), value))
            }
            "before" => Ok(Self::Before(created(value)?)),
            "since" => Ok(Self::Since(created(value)?)),
            _ => Err(wrong()),
        }
    }

    fn takes(&self, image: &Image, row: &Row) -> bool {
        match self {
            Self::Dangling(wanted) => image.names.is_empty() == *wanted,
            Self::Reference(pattern) => row.fits(pattern),
            Self::Label(key, value) => image
                .config
                .config
                .labels
                .get(key)
                .is_some_and(|found| value.as_ref().is_none_or(|value| value == found)),
            Self::Before(at) => row.created < *at,
            Self::Since(at) => row.created > *at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_as_dockers_do() {
        for (pattern, text) in [("a*", "abc"), ("*", "x"), ("a/*/c", "a/b/c"), ("?b", "ab"), ("", "")] {
            assert!(matches(pattern, text), "{pattern}");
        }
        for (pattern, text) in [("a*", "a/b"), ("a", "ab"), ("?", "/"), ("*c", "ab")] {
            assert!(!matches(pattern, text), "{pattern}");
        }
    }

    #[test]
    fn the_table_is_dockers() {
        let row = Row {
            repository: "nginx".into(),
            tag: "1".into(),
            digest: NONE.into(),
            id: format!("sha256:{}", "ab".repeat(32)),
            created: None,
            size: 1_234_567,
        };
        let args = ImageLsArgs {
            name: None,
            all: false,
            digests: false,
            filter: Vec::new(),
            format: None,
            no_trunc: false,
            quiet: false,
        };
        let text = rendered(std::slice::from_ref(&row), &args).unwrap();
        assert_eq!(
            text,
            "REPOSITORY   TAG       IMAGE ID       CREATED   SIZE\nnginx        1         abababababab   N/A       1.235MB\n"
        );
        let args = ImageLsArgs { format: Some("{{.Repository}}:{{.Tag}}".into()), ..args };
        assert_eq!(rendered(&[row], &args).unwrap(), "nginx:1\n");
    }
}
