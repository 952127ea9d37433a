//! Attributes of `build`.

use rcompose_engine_adapter::Feature;

use super::row::{Row, needs, part, yes};

pub(super) static ROWS: &[Row] = &[
    yes("services.*.build"),
    yes("services.*.build.context"),
    yes("services.*.build.dockerfile"),
    yes("services.*.build.dockerfile_inline"),
    needs("services.*.build.entitlements", Feature::BuildKit),
    yes("services.*.build.args"),
    needs("services.*.build.ssh", Feature::BuildKit),
    yes("services.*.build.labels"),
    yes("services.*.build.cache_from"),
    needs("services.*.build.cache_to", Feature::BuildKit),
    yes("services.*.build.no_cache"),
    needs("services.*.build.no_cache_filter", Feature::BuildKit),
    needs("services.*.build.additional_contexts", Feature::BuildKit),
    yes("services.*.build.network"),
    needs("services.*.build.provenance", Feature::BuildKit).unless("false"),
    needs("services.*.build.sbom", Feature::BuildKit).unless("false"),
    yes("services.*.build.pull"),
    yes("services.*.build.target"),
    yes("services.*.build.shm_size"),
    yes("services.*.build.extra_hosts"),
    needs("services.*.build.isolation", Feature::Windows).unless("default"),
    needs("services.*.build.privileged", Feature::BuildKit),
    needs("services.*.build.secrets", Feature::BuildKit),
    part("services.*.build.secrets[].source"),
    part("services.*.build.secrets[].target"),
    part("services.*.build.secrets[].uid"),
    part("services.*.build.secrets[].gid"),
    part("services.*.build.secrets[].mode"),
    yes("services.*.build.tags"),
    yes("services.*.build.ulimits"),
    yes("services.*.build.ulimits.*.hard"),
    yes("services.*.build.ulimits.*.soft"),
    yes("services.*.build.platforms"),
    needs("services.*.build.platforms", Feature::BuildKit).several(),
];
