//! The project's name.

use std::path::{Path, PathBuf};

use crate::error::{Code, Finding, SpecErrors};
use crate::interpolate::Variables;
use crate::load::Loader;
use crate::sources::Sources;
use crate::template;

/// Decides the name: given by hand, then `COMPOSE_PROJECT_NAME`, then `name:`, then the folder.
pub(crate) fn resolve(loader: &mut Loader<'_>, sources: &Sources, files: &[PathBuf], variables: &Variables) -> String {
    let given = sources
        .project_name
        .as_ref()
        .or_else(|| variables.get("COMPOSE_PROJECT_NAME"))
        .filter(|name| !name.is_empty());
    if let Some(name) = given {
        for error in check(name).err().map(|errors| errors.0).into_iter().flatten() {
            loader.findings.error(error);
        }
        return name.clone();
    }
    let mut name = String::new();
    for file in files {
        if let Some(found) = written(loader, file, variables) {
            name = found;
        }
    }
    name = normalize(&name);
    if name.is_empty() {
        let folder = sources.working_dir.file_name();
        name = normalize(&folder.unwrap_or_default().to_string_lossy());
    }
    if name.is_empty() {
        let error = Finding::new(Code::ProjectName, "project name must not be empty");
        loader.findings.error(error.hint("give one with -p, or write `name:` in the compose file"));
    }
    name
}

/// Checks a name that was given by hand, which must be one as it is.
///
/// # Errors
/// The name holds something else than lowercase letters, digits, `-` and `_`, or begins with one of the latter.
pub fn check(name: &str) -> Result<(), SpecErrors> {
    let allowed = normalize(name);
    if allowed == name && !name.is_empty() {
        return Ok(());
    }
    let message = format!(
        "invalid project name \"{name}\": must consist only of lowercase alphanumeric characters, hyphens, and underscores as well as start with a letter or number"
    );
    let hint = if allowed.is_empty() {
        "use a name such as `shop`".to_owned()
    } else {
        format!("use `{allowed}`")
    };
    Err(Finding::new(Code::ProjectName, message).hint(hint).into())
}

/// The `name:` of a file, which is parsed for it and not again when it is loaded; its mistakes are reported then.
fn written(loader: &mut Loader<'_>, file: &Path, variables: &Variables) -> Option<String> {
    let source = loader.read(file, None)?;
    let name = loader.peek(&source).iter().rev().find_map(|document| {
        let text = document.get("name")?.as_str()?;
        Some(text.to_owned()).filter(|name| !name.is_empty())
    })?;
    if loader.options.no_interpolate {
        return Some(name);
    }
    template::substitute(&name, variables, &mut template::Effects::default()).ok()
}

/// Leaves only what a name may hold.
pub(crate) fn normalize(name: &str) -> String {
    let lower = name.to_lowercase();
    let kept: String = lower
        .chars()
        .filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-'))
        .collect();
    kept.trim_start_matches(['_', '-']).to_owned()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use crate::{InMemory, Sources, load};

    #[test]
    fn a_name_counts_however_it_is_written() {
        for text in [
            "name: foo",
            "{services: {s: {image: i}}, name: foo}",
            "--- {name: foo}",
            "!!str name: foo",
            "&a name: foo",
            "? name\n: foo",
            "\"n\\u0061me\": foo",
            "x-a: &a {name: foo}\n<<: *a",
            "name: bar\n---\nname: foo\n---\nservices: {}",
        ] {
            let file = PathBuf::from("/folder/compose.yaml");
            let sources = Sources { files: vec![file.clone()], working_dir: "/folder".into(), ..Sources::default() };
            let files = InMemory([(file, text.as_bytes().to_vec())].into());
            let name = load(&sources, &files).map(|loaded| loaded.project.name);
            assert_eq!(name, Ok("foo".to_owned()), "{text}");
        }
    }
}
