//! Reads any bytes as a manifest, an index, a configuration, a name, a platform: nothing panics, and what is read is written the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rcompose_image::{Config, Digest, Document, Platform, Reference};

fuzz_target!(|data: &[u8]| {
    for declared in [None, Some("application/vnd.oci.image.index.v1+json"), Some("application/vnd.docker.distribution.manifest.v2+json")] {
        match Document::parse(data, declared) {
            Ok(Document::Index(index)) => {
                let _ = index.choose(&Platform::host(), "fuzzed");
            }
            Ok(Document::Manifest(_)) | Err(_) => {}
        }
    }
    if let Ok(config) = Config::parse(data) {
        let again = serde_json_bytes(&config);
        assert_eq!(Config::parse(&again).expect("what was written is read"), config);
    }
    if let Ok(text) = std::str::from_utf8(data) {
        if let Ok(name) = text.parse::<Reference>() {
            assert_eq!(name.to_string().parse::<Reference>().expect("what was written is read"), name);
            assert_eq!(name.familiar().parse::<Reference>().expect("what was written is read"), name);
        }
        if let Ok(platform) = text.parse::<Platform>() {
            assert_eq!(platform.to_string().parse::<Platform>().expect("what was written is read"), platform);
        }
        let _ = text.parse::<Digest>();
    }
});

fn serde_json_bytes(config: &Config) -> Vec<u8> {
    serde_json::to_vec(config).expect("a configuration is JSON")
}
