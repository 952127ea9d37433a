//! How layers are compressed. Their first bytes tell; media types are often wrong.

use std::io::{self, BufReader, Read};

use flate2::read::MultiGzDecoder;

/// The largest window of zstd, as a power of two: 128 MiB of memory. Source: zstd manual, `--ultra`; `zstd -d` takes no more either.
const LARGEST_WINDOW: u32 = 27;

/// How an archive is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    /// Tells by the first bytes.
    pub(crate) fn of(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, ..] => Self::Gzip,
            // A frame, or one to be passed over, as estargz-like tools put in front.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            _ => Self::None,
        }
    }

    /// Returns OCI's media type of a layer.
    pub(crate) fn media_type(self) -> String {
        let suffix = match self {
            Self::None => "",
            Self::Gzip => "+gzip",
            Self::Zstd => "+zstd",
        };
        format!("{}{suffix}", crate::manifest::OCI_LAYER)
    }
}

/// Finds out how bytes are compressed, and undoes it.
pub(crate) fn decoder<'a>(mut input: impl Read + 'a) -> io::Result<(Compression, Box<dyn Read + 'a>)> {
    let mut start = Vec::with_capacity(6);
    (&mut input).take(6).read_to_end(&mut start)?;
    match start.as_slice() {
        [b'B', b'Z', b'h', ..] => return Err(unsupported("bzip2")),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => return Err(unsupported("xz")),
        _ => {}
    }
    let compression = Compression::of(&start);
    let whole = io::Cursor::new(start).chain(input);
    let reader: Box<dyn Read + 'a> = match compression {
        Compression::None => Box::new(whole),
        Compression::Gzip => Box::new(MultiGzDecoder::new(BufReader::with_capacity(super::CHUNK, whole))),
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(BufReader::with_capacity(super::CHUNK, whole))?;
            decoder.window_log_max(LARGEST_WINDOW)?;
            Box::new(decoder)
        }
    };
    Ok((compression, reader))
}

fn unsupported(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::Unsupported,
        format!("it is compressed with {what}; only gzip and zstd are taken: decompress it first"),
    )
}
