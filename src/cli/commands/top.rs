//! `top`.

use futures::future::try_join_all;
use rcompose_engine_adapter::{ObservedContainer, Processes, Projects, Scope};

use crate::args::NamedArgs;
use crate::failure::Failure;
use crate::output;
use crate::session::{Live, Session, known_services};
use crate::table::table;

/// Least width of a column, and the gap between two. Source: `docker compose top`.
const COLUMN: usize = 4;
const GAP: usize = 2;
/// The column that stands last, since it is as long as it likes.
const LAST: &str = "CMD";

/// Processes of a container of a service, with its number.
struct Member {
    service: String,
    number: String,
    processes: Processes,
}

/// Runs `top`.
pub(crate) async fn run(session: &Session, args: &NamedArgs) -> Result<u8, Failure> {
    let named = session.named()?;
    let live = session.engine(Some(named.name())).await?;
    let scope = Scope { projects: Projects::One(named.name().to_owned()), ..Scope::default() };
    let observed = live.observe(&scope).await?;
    known_services(&named, &args.services, observed.containers.values().filter_map(ObservedContainer::service))?;
    let is_asked = |it: &&ObservedContainer| {
        args.services.is_empty() || it.service().is_some_and(|service| args.services.iter().any(|asked| asked == service))
    };
    let running = observed.containers.values().filter(|it| it.is_listed() && it.state.is_up()).filter(is_asked);
    let members = try_join_all(running.map(|it| member(&live, it))).await?;
    output::out(&laid_out(&members.into_iter().flatten().collect::<Vec<_>>()))?;
    Ok(0)
}

/// Lists the processes of a container; one that has ended since it was seen has none.
async fn member(live: &Live, container: &ObservedContainer) -> Result<Option<Member>, Failure> {
    let name = &container.name;
    match live.engines.streams.top(name).await {
        Ok(processes) => Ok(Some(Member {
            service: container.service().unwrap_or_default().to_owned(),
            number: container.number().map(|it| it.to_string()).unwrap_or_default(),
            processes,
        })),
        Err(error) => {
            let now = live.observe(&Scope::container(name.clone())).await?;
            let is_up = now.containers.get(name).is_some_and(|it| it.state.is_up());
            if is_up { Err(error.into()) } else { Ok(None) }
        }
    }
}

/// Lays all processes out in one table. Engines may name different columns for different containers: what one lacks is `-`.
fn laid_out(members: &[Member]) -> String {
    let mut titles: Vec<&str> = vec!["SERVICE", "#"];
    for title in members.iter().flat_map(|it| &it.processes.titles) {
        if !titles.contains(&title.as_str()) {
            titles.push(title);
        }
    }
    if let Some(at) = titles.iter().position(|it| *it == LAST) {
        titles.remove(at);
        titles.push(LAST);
    }
    let mut lines = vec![titles.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>()];
    for Member { service, number, processes } in members {
        for row in &processes.rows {
            let cell = |title: &&str| match *title {
                "SERVICE" => service.clone(),
                "#" => number.clone(),
                title => {
                    let at = processes.titles.iter().position(|it| it == title);
                    at.and_then(|at| row.get(at)).cloned().unwrap_or_else(|| "-".into())
                }
            };
            lines.push(titles.iter().map(cell).collect());
        }
    }
    if lines.len() == 1 { String::new() } else { table(&lines, COLUMN, GAP) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_all_containers_are_joined() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let member = |service: &str, titles: &str, row: &str| Member {
            service: service.into(),
            number: "1".into(),
            processes: Processes { titles: words(titles), rows: vec![words(row)] },
        };
        let all = [member("web", "PID CMD", "7 sleep"), member("db", "PID CMD GID", "8 store 0")];
        assert_eq!(laid_out(&all), "SERVICE  #   PID  GID  CMD\nweb      1   7    -    sleep\ndb       1   8    0    store\n");
        assert_eq!(laid_out(&[]), "");
    }
}
