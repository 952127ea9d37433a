//! Attributes at the top level, and of networks, volumes, secrets, configs and models.

use super::service::SERVICE;
use super::shape::Type::{Bool, Int, Text};
use super::shape::{BOOL, NULL, OPTIONS, Object, PAIRS, Shape, TEXT, TEXTS};

pub(super) static DOCUMENT: Object = Object {
    keys: &[
        ("version", TEXT),
        ("name", TEXT),
        ("include", Shape::Any),
        ("services", Shape::Named(&Shape::Object(&SERVICE))),
        ("networks", Shape::Map(&Shape::Either(&[NULL, Shape::Object(&NETWORK)]))),
        ("volumes", Shape::Named(&Shape::Either(&[NULL, Shape::Object(&VOLUME)]))),
        ("secrets", Shape::Named(&Shape::Object(&SECRET))),
        ("configs", Shape::Named(&Shape::Object(&CONFIG))),
        ("models", Shape::Map(&Shape::Object(&MODEL))),
    ],
    required: &[],
};

const EXTERNAL: Shape = Shape::Either(&[Shape::Scalar(&[Bool, Text]), Shape::Object(&Object { keys: &[("name", TEXT)], required: &[] })]);

static NETWORK: Object = Object {
    keys: &[
        ("name", TEXT),
        ("driver", TEXT),
        ("driver_opts", OPTIONS),
        ("ipam", Shape::Object(&IPAM)),
        ("external", EXTERNAL),
        ("internal", BOOL),
        ("enable_ipv4", BOOL),
        ("enable_ipv6", BOOL),
        ("attachable", BOOL),
        ("labels", PAIRS),
    ],
    required: &[],
};

static IPAM: Object = Object {
    keys: &[("driver", TEXT), ("config", Shape::List(&Shape::Object(&POOL))), ("options", Shape::Map(&TEXT))],
    required: &[],
};

static POOL: Object = Object {
    keys: &[("subnet", TEXT), ("ip_range", TEXT), ("gateway", TEXT), ("aux_addresses", Shape::Map(&TEXT))],
    required: &[],
};

static VOLUME: Object = Object {
    keys: &[
        ("name", TEXT),
        ("driver", TEXT),
        ("driver_opts", OPTIONS),
        ("external", EXTERNAL),
        ("labels", PAIRS),
    ],
    required: &[],
};

static SECRET: Object = Object {
    keys: &[
        ("name", TEXT),
        ("environment", TEXT),
        ("file", TEXT),
        ("external", EXTERNAL),
        ("labels", PAIRS),
        ("driver", TEXT),
        ("driver_opts", OPTIONS),
        ("template_driver", TEXT),
    ],
    required: &[],
};

static CONFIG: Object = Object {
    keys: &[
        ("name", TEXT),
        ("content", TEXT),
        ("environment", TEXT),
        ("file", TEXT),
        ("external", EXTERNAL),
        ("labels", PAIRS),
        ("template_driver", TEXT),
    ],
    required: &[],
};

static MODEL: Object = Object {
    keys: &[("name", TEXT), ("model", TEXT), ("context_size", Shape::Scalar(&[Int])), ("runtime_flags", TEXTS)],
    required: &["model"],
};
