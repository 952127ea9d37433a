//! Brings a layer that comes as a stream into the store: read once, it is kept as a blob and unpacked at the same time.

use std::fs::File;
use std::io::{BufWriter, Read, Write};

use crate::digest::{Digest, Hashing};
use crate::error::ImageError;
use crate::layer::{CHUNK, Compression, UnpackedLayer, unpack_fed};
use crate::manifest::Descriptor;
use crate::progress::{Event, Watch};
use crate::store::{LayerRecord, Lease, NewBlob, Stage};

/// The level by which layers are compressed that come without: little work, and a third of the bytes to write. Source: zstd manual.
const LEVEL: i32 = 1;

/// A blob while it is written: as it comes, or compressed if it comes without compression.
enum Kept<'a> {
    AsIs(Hashing<BufWriter<&'a File>>),
    Packed(Box<zstd::stream::write::Encoder<'static, Hashing<BufWriter<&'a File>>>>),
}

impl<'a> Kept<'a> {
    fn new(compression: Compression, file: &'a File) -> std::io::Result<Self> {
        let hashing = Hashing::new(BufWriter::with_capacity(CHUNK, file));
        Ok(match compression {
            Compression::None => Self::Packed(Box::new(zstd::stream::write::Encoder::new(hashing, LEVEL)?)),
            Compression::Gzip | Compression::Zstd => Self::AsIs(hashing),
        })
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match self {
            Self::AsIs(hashing) => hashing.write_all(bytes),
            Self::Packed(encoder) => encoder.write_all(bytes),
        }
    }

    fn finish(self) -> std::io::Result<(Digest, u64)> {
        let hashing = match self {
            Self::AsIs(hashing) => hashing,
            Self::Packed(encoder) => encoder.finish()?,
        };
        let (mut file, digest, size) = hashing.finish();
        file.flush()?;
        Ok((digest, size))
    }
}

impl Lease {
    /// Brings a layer's archive, compressed or not, into the store.
    pub fn add_layer(&self, reader: impl Read, watch: &Watch<'_>) -> Result<LayerRecord, ImageError> {
        let (layer, unfinished) = self.take_layer(reader, watch)?;
        unfinished.finish(self)?;
        Ok(layer)
    }

    /// Reads and unpacks a layer's archive; it is in the store when it is finished.
    pub(crate) fn take_layer(&self, reader: impl Read, watch: &Watch<'_>) -> Result<(LayerRecord, Unfinished), ImageError> {
        let store = self.store();
        let blob = store.new_blob()?;
        let stage = self.stage()?;
        let (kept, layer) = unpack_fed(&stage, store.limits(), |feed| {
            let file = blob.file()?;
            let mut reader = reader;
            let mut kept: Option<(Kept<'_>, Compression)> = None;
            loop {
                watch.go_on()?;
                let mut chunk = vec![0; CHUNK];
                let mut filled = 0;
                while filled < chunk.len() {
                    match reader.read(&mut chunk[filled..]).map_err(ImageError::stream("read the layer"))? {
                        0 => break,
                        count => filled += count,
                    }
                }
                let last = filled < chunk.len();
                chunk.truncate(filled);
                watch.tell(Event::Read { bytes: filled as u64 });
                let failed = || ImageError::stream("write the layer to disk");
                let (writer, _) = match &mut kept {
                    Some(kept) => kept,
                    None => {
                        let compression = Compression::of(&chunk);
                        kept.insert((Kept::new(compression, file).map_err(failed())?, compression))
                    }
                };
                // Unpacking goes on in its own thread while these bytes are compressed.
                feed.give(chunk.clone())?;
                writer.write(&chunk).map_err(failed())?;
                if last {
                    break;
                }
            }
            let Some((writer, compression)) = kept else {
                return Err(ImageError::NobodyReads);
            };
            let (digest, size) = writer.finish().map_err(ImageError::stream("write the layer to disk"))?;
            let compression = if compression == Compression::None { Compression::Zstd } else { compression };
            Ok(Descriptor::new(&compression.media_type(), digest, size))
        })?;
        self.keep([kept.digest], [layer.diff_id])?;
        let size = layer.unpacked.bytes;
        for (name, file) in &layer.unpacked.lost_attributes {
            watch.tell(Event::LostAttribute { name: name.clone(), file: file.clone() });
        }
        let digest = kept.digest;
        let record = LayerRecord { diff_id: layer.diff_id, blob: kept, size, pushed: None };
        Ok((record, Unfinished { blob, stage, layer, digest }))
    }
}

/// A layer whose bytes are not on the disk yet.
#[derive(Debug)]
pub(crate) struct Unfinished {
    blob: NewBlob,
    stage: Stage,
    layer: UnpackedLayer,
    digest: Digest,
}

impl Unfinished {
    /// Waits until all is on the disk, and gives it its names.
    pub(crate) fn finish(self, lease: &Lease) -> Result<(), ImageError> {
        self.stage.commit(lease, &self.layer)?;
        self.blob.complete(lease.store(), &self.digest)
    }
}
