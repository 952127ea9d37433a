//! Brings back documents that are damaged, from the copies beside them. A disk does that, or a hand; nothing here does.

use std::path::PathBuf;

use rcompose_engine_adapter::{EngineError, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::document::{Container, Network, Volume};
use crate::engine::Native;
use crate::error;
use crate::file;
use crate::place::is_name;

/// Tells whether something failed since a document is damaged.
pub(crate) fn is_damage(error: &EngineError) -> bool {
    std::error::Error::source(error).is_some_and(|it| it.is::<serde_json::Error>())
}

/// Looks at every document, and says of each that it brought back. One without a copy stays as it is, and whoever reads it hears so.
pub(crate) fn mend(native: &Native) -> Result<()> {
    let places = &native.places;
    let _engine = places.lock()?;
    let of_folder = |folder: PathBuf| Ok::<_, EngineError>(file::names(&folder)?.into_iter().filter(|it| is_name(it)));
    for id in of_folder(places.containers())? {
        one::<Container>(native, &format!("container {id}"), &places.container(&id).document())?;
    }
    for name in of_folder(places.networks())?.filter_map(|it| it.strip_suffix(".json").map(str::to_owned)) {
        one::<Network>(native, &format!("network {name}"), &places.networks().join(format!("{name}.json")))?;
    }
    for name in of_folder(places.volumes())? {
        one::<Volume>(native, &format!("volume {name}"), &places.volume(&name).join("volume.json"))?;
    }
    Ok(())
}

fn one<T: DeserializeOwned + Serialize>(native: &Native, what: &str, path: &std::path::Path) -> Result<()> {
    match file::read::<T>(path) {
        Err(damage) if is_damage(&damage) => {}
        other => return other.map(drop),
    }
    let Ok(Some(whole)) = file::read::<T>(&file::copy(path)) else {
        return Ok(());
    };
    let aside = path.with_extension("damaged");
    std::fs::rename(path, &aside).map_err(error::file("move away", path))?;
    file::write(path, &whole)?;
    native.remarks.add_of(
        what,
        format!("its document was damaged and is brought back from its copy; the damaged one is {}", aside.display()),
    );
    Ok(())
}
