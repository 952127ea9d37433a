//! `ps`.

mod ports;
mod row;

use rcompose_engine_adapter::{ContainerState, Observed, ObservedContainer, Projects, Scope};

use crate::args::{PsArgs, State};
use crate::failure::Failure;
use crate::output;
use crate::session::{Named, Session, known_services};
use crate::template::formatted;

use row::Row;

/// The columns of the table.
const TABLE: &str = "table {{.Name}}\t{{.Image}}\t{{.Command}}\t{{.Service}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}";

/// Runs `ps`.
pub(crate) async fn run(session: &Session, args: &PsArgs) -> Result<u8, Failure> {
    let states = states(args)?;
    let named = session.named()?;
    let live = session.engine(Some(named.name())).await?;
    let observed = live
        .observe(&Scope { projects: Projects::One(named.name().to_owned()), ..Scope::default() })
        .await?;
    session.say_remarks(&live);
    known_services(&named, &args.services, observed.containers.values().filter_map(ObservedContainer::service))?;
    let containers = chosen(args, &states, &named, &observed);
    let text = if args.quiet {
        containers.iter().map(|it| format!("{}\n", it.id)).collect()
    } else if args.services_only {
        let mut services: Vec<&str> = containers.iter().filter_map(|it| it.service()).collect();
        services.sort_unstable();
        services.dedup();
        services.iter().map(|service| format!("{service}\n")).collect()
    } else {
        let now = jiff::Timestamp::now();
        let rows: Vec<_> = containers.iter().map(|it| Row::of(it, now, !args.no_trunc).object()).collect();
        formatted(&rows, &form(session, args)?, TABLE)?
    };
    output::out(&text)?;
    Ok(0)
}

/// Returns the containers to list, by name.
fn chosen<'a>(args: &PsArgs, states: &[State], named: &Named, observed: &'a Observed) -> Vec<&'a ObservedContainer> {
    let in_files = |service: &str| {
        named
            .project()
            .is_none_or(|it| it.services.contains_key(service) || it.disabled.contains_key(service))
    };
    observed
        .containers
        .values()
        .filter(|it| it.is_listed())
        .filter(|it| args.all || !it.is_oneoff())
        .filter(|it| args.all || !states.is_empty() || it.state.is_up())
        .filter(|it| states.is_empty() || states.contains(&state(it.state)))
        .filter(|it| {
            let service = it.service().unwrap_or_default();
            (args.services.is_empty() || args.services.iter().any(|asked| asked == service)) && (args.orphans || in_files(service))
        })
        .collect()
}

fn states(args: &PsArgs) -> Result<Vec<State>, Failure> {
    use clap::ValueEnum;
    let mut states = args.status.clone();
    if let Some(filter) = &args.filter {
        let state = filter.strip_prefix("status=").and_then(|word| State::from_str(word, true).ok());
        states.push(state.ok_or_else(|| {
            let all = State::value_variants().iter().filter_map(|it| Some(it.to_possible_value()?.get_name().to_owned()));
            let all = all.collect::<Vec<_>>().join(", ");
            Failure::usage(format!("`{filter}` is no filter of `ps`"), format!("write `status=STATE`, with one of {all}"))
        })?);
    }
    Ok(states)
}

fn state(state: ContainerState) -> State {
    match state {
        ContainerState::Created => State::Created,
        ContainerState::Running => State::Running,
        ContainerState::Paused => State::Paused,
        ContainerState::Restarting => State::Restarting,
        ContainerState::Removing => State::Removing,
        ContainerState::Exited { .. } => State::Exited,
        ContainerState::Dead => State::Dead,
    }
}

/// Returns the form: the flag, else `psFormat` of the docker command's configuration, else the table.
fn form(session: &Session, args: &PsArgs) -> Result<String, Failure> {
    let form = match &args.format {
        Some(form) => form.clone(),
        None => session.docker_config()?.ps_format,
    };
    Ok(if form.is_empty() { "table".into() } else { form })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_those_of_docker_compose() {
        let now = jiff::Timestamp::new(1_700_000_100, 0).unwrap();
        let container = row::tests::container();
        let rows = [Row::of(&container, now, true).object()];
        let all =
            ["table", "table {{.Name}}\\t{{.Ports}}", "{{.Name}} {{.State}}", "json"].map(|form| formatted(&rows, form, TABLE).unwrap());
        insta::assert_snapshot!(all.join("\n"));
    }
}
