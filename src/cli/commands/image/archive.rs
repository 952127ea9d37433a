//! `image load`, `save` and `import`.

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::PathBuf;

use rcompose_image::{Defaults, ImageError, ImportOptions, Platform, Reference, SaveForm};

use super::place::{display, store, watched};
use crate::args::{ImageImportArgs, ImageLoadArgs, ImageSaveArgs};
use crate::failure::Failure;
use crate::output;
use crate::session::Session;

/// Bytes that are written at once.
const BUFFER: usize = 1 << 18;

/// Runs `image load`.
pub(super) async fn load(session: &Session, args: ImageLoadArgs) -> Result<u8, Failure> {
    let input = input(session, args.input.as_deref(), "image load")?;
    let platform = match &args.platform {
        Some(platform) => platform.parse()?,
        None => Platform::host(),
    };
    let store = store(session)?;
    let loaded = watched(display(session, args.quiet)?, move |watch| store.load(input, &platform, &watch)).await?;
    for image in loaded {
        for name in &image.names {
            output::line(&format!("Loaded image: {}", name.familiar()))?;
        }
        if image.names.is_empty() {
            output::line(&format!("Loaded image ID: {}", image.id))?;
        }
    }
    Ok(0)
}

/// Runs `image save`.
pub(super) async fn save(session: &Session, args: ImageSaveArgs) -> Result<u8, Failure> {
    let store = store(session)?;
    let images = store.to_save(&args.images)?;
    let form = if args.format == "oci-archive" { SaveForm::Oci } else { SaveForm::Docker };
    let Some(path) = args.output.filter(|it| it != "-") else {
        if session.caller.stdout_tty {
            return Err(Failure::usage("an archive is not written to a terminal", "write `-o FILE`, or `> FILE`"));
        }
        let work =
            move |watch: rcompose_image::Watch<'_>| store.save(&images, form, BufWriter::with_capacity(BUFFER, std::io::stdout()), &watch);
        return match watched(display(session, true)?, work).await {
            Ok(()) => Ok(0),
            Err(Failure::Image(ImageError::Stream { source, .. })) if source.kind() == std::io::ErrorKind::BrokenPipe => {
                Err(Failure::OutputClosed)
            }
            Err(error) => Err(error),
        };
    };
    let path = session.caller.absolute(&PathBuf::from(path));
    let unfinished = Unfinished::new(path.clone())?;
    let file = unfinished
        .file
        .try_clone()
        .map_err(|error| Failure::io(format!("cannot write {}", path.display()), error))?;
    watched(display(session, true)?, move |watch| {
        store.save(&images, form, BufWriter::with_capacity(BUFFER, file), &watch)
    })
    .await?;
    unfinished.complete()?;
    Ok(0)
}

/// Runs `image import`.
pub(super) async fn import(session: &Session, args: ImageImportArgs) -> Result<u8, Failure> {
    if args.file.starts_with("http://") || args.file.starts_with("https://") {
        return Err(Failure::usage(
            "`image import` takes no address",
            format!("write `curl -fL {} | rcompose image import -`", args.file),
        ));
    }
    let mut defaults = Defaults::default();
    for change in &args.change {
        defaults.change(change)?;
    }
    let platform = args.platform.as_ref().map(|it| it.parse()).transpose()?;
    let name = args.name.as_ref().map(|it| it.parse::<Reference>().map(Reference::tagged)).transpose()?;
    let input = input(session, Some(&args.file), "image import")?;
    let options = ImportOptions { defaults, message: args.message, platform };
    let store = store(session)?;
    let id = watched(display(session, true)?, move |watch| store.import(input, name.as_ref(), &options, &watch)).await?;
    output::line(&id.to_string())?;
    Ok(0)
}

/// Opens what is read: a file, or standard input.
fn input(session: &Session, path: Option<&str>, verb: &str) -> Result<Box<dyn Read + Send>, Failure> {
    match path {
        None | Some("-") if session.caller.stdin_tty => Err(Failure::usage(
            "an archive is not read from a terminal",
            format!("name a file, or write `rcompose {verb} < FILE`"),
        )),
        // Not buffered: it is read in large pieces.
        None | Some("-") => Ok(Box::new(File::from(stdin()?))),
        Some(path) => {
            let path = session.caller.absolute(&PathBuf::from(path));
            File::open(&path)
                .map(|file| Box::new(file) as Box<dyn Read + Send>)
                .map_err(|error| Failure::io(format!("cannot open {}", path.display()), error))
        }
    }
}

fn stdin() -> Result<std::os::fd::OwnedFd, Failure> {
    rustix::io::dup(rustix::stdio::stdin()).map_err(|error| Failure::io("cannot read standard input", error.into()))
}

/// A file that gets its name when it is complete.
struct Unfinished {
    file: File,
    path: PathBuf,
    beside: PathBuf,
    done: bool,
}

impl Unfinished {
    fn new(path: PathBuf) -> Result<Self, Failure> {
        let failed = |error| Failure::io(format!("cannot write {}", path.display()), error);
        // A pipe or device is written to as it is.
        if path.exists() && !path.is_file() {
            let file = File::options().write(true).open(&path).map_err(failed)?;
            return Ok(Self { file, beside: path.clone(), path, done: true });
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let beside = path.with_file_name(format!(".{name}.{}", std::process::id()));
        let file = File::options().write(true).create_new(true).open(&beside).map_err(failed)?;
        Ok(Self { file, path, beside, done: false })
    }

    fn complete(mut self) -> Result<(), Failure> {
        if self.done {
            return Ok(());
        }
        let renamed = self.file.flush().and_then(|()| std::fs::rename(&self.beside, &self.path));
        self.done = renamed.is_ok();
        renamed.map_err(|error| Failure::io(format!("cannot write {}", self.path.display()), error))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.done {
            // Half an archive is of no use to anybody.
            let _gone = std::fs::remove_file(&self.beside);
        }
    }
}
