//! Attributes of a service.

use super::shape::Type::{Bool, Int, Null, Num, Text};
use super::shape::{
    BOOL, COMMAND, DURATION, Form, INT, NULL, NUM, OPTIONS, Object, PAIRS, SIZE, Shape, TEXT, TEXT_OR_TEXTS, TEXTS, UNIQUE_TEXTS,
};

pub(super) static SERVICE: Object = Object {
    keys: &[
        ("annotations", PAIRS),
        ("attach", BOOL),
        ("blkio_config", Shape::Object(&BLKIO)),
        ("build", Shape::Either(&[TEXT, Shape::Object(&BUILD)])),
        ("cap_add", UNIQUE_TEXTS),
        ("cap_drop", UNIQUE_TEXTS),
        ("cgroup", Shape::Word(&["host", "private"])),
        ("cgroup_parent", TEXT),
        ("command", COMMAND),
        ("configs", FILE_MOUNTS),
        ("container_name", Shape::Form(Form::ContainerName, &[Text])),
        ("cpu_count", Shape::Range(0, i64::MAX)),
        ("cpu_percent", Shape::Range(0, 100)),
        ("cpu_period", NUM),
        ("cpu_quota", NUM),
        ("cpu_rt_period", NUM),
        ("cpu_rt_runtime", NUM),
        ("cpu_shares", NUM),
        ("cpus", NUM),
        ("cpuset", TEXT),
        ("credential_spec", Shape::Object(&CREDENTIAL_SPEC)),
        ("depends_on", Shape::Either(&[UNIQUE_TEXTS, Shape::Named(&Shape::Object(&DEPENDENCY))])),
        ("deploy", Shape::Either(&[NULL, Shape::Object(&DEPLOY)])),
        ("develop", Shape::Either(&[NULL, Shape::Object(&DEVELOP)])),
        ("device_cgroup_rules", UNIQUE_TEXTS),
        ("devices", Shape::List(&Shape::Either(&[TEXT, Shape::Object(&DEVICE)]))),
        ("dns", TEXT_OR_TEXTS),
        ("dns_opt", UNIQUE_TEXTS),
        ("dns_search", TEXT_OR_TEXTS),
        ("domainname", TEXT),
        ("entrypoint", COMMAND),
        ("env_file", Shape::Either(&[TEXT, Shape::List(&Shape::Either(&[TEXT, Shape::Object(&ENV_FILE)]))])),
        ("environment", PAIRS),
        ("expose", Shape::Set(&Shape::Scalar(&[Text, Num]))),
        ("extends", Shape::Either(&[TEXT, Shape::Object(&EXTENDS)])),
        ("external_links", UNIQUE_TEXTS),
        ("extra_hosts", EXTRA_HOSTS),
        ("gpus", Shape::Either(&[Shape::Word(&["all"]), Shape::List(&Shape::Object(&GPU))])),
        ("group_add", Shape::Set(&Shape::Scalar(&[Text, Num]))),
        ("healthcheck", Shape::Object(&HEALTHCHECK)),
        ("hostname", TEXT),
        ("image", TEXT),
        ("init", BOOL),
        ("ipc", TEXT),
        ("isolation", TEXT),
        ("label_file", Shape::Either(&[TEXT, TEXTS])),
        ("labels", PAIRS),
        ("links", UNIQUE_TEXTS),
        ("logging", Shape::Object(&LOGGING)),
        ("mac_address", TEXT),
        ("mem_limit", SIZE),
        ("mem_reservation", Shape::Form(Form::Size, &[Text, Int])),
        ("mem_swappiness", Shape::Form(Form::Size, &[Int, Text])),
        ("memswap_limit", SIZE),
        ("models", Shape::Either(&[UNIQUE_TEXTS, Shape::Map(&Shape::Either(&[NULL, Shape::Object(&MODEL_BINDING)]))])),
        ("network_mode", TEXT),
        ("networks", Shape::Either(&[UNIQUE_TEXTS, Shape::Named(&Shape::Either(&[NULL, Shape::Object(&ATTACHMENT)]))])),
        ("oom_kill_disable", BOOL),
        ("oom_score_adj", Shape::Range(-1000, 1000)),
        ("pid", Shape::Scalar(&[Text, Null])),
        ("pids_limit", NUM),
        ("platform", TEXT),
        ("ports", Shape::Set(&Shape::Either(&[Shape::Scalar(&[Num]), TEXT, Shape::Object(&PORT)]))),
        ("post_start", Shape::List(&Shape::Object(&HOOK))),
        ("pre_start", Shape::List(&Shape::Object(&PRE_START))),
        ("pre_stop", Shape::List(&Shape::Object(&HOOK))),
        ("privileged", BOOL),
        ("profiles", UNIQUE_TEXTS),
        ("provider", Shape::Object(&PROVIDER)),
        ("pull_policy", Shape::Form(Form::PullPolicy, &[Text])),
        ("pull_refresh_after", TEXT),
        ("read_only", BOOL),
        ("restart", TEXT),
        ("runtime", TEXT),
        ("scale", INT),
        ("secrets", FILE_MOUNTS),
        ("security_opt", UNIQUE_TEXTS),
        ("shm_size", SIZE),
        ("stdin_open", BOOL),
        ("stop_grace_period", DURATION),
        ("stop_signal", TEXT),
        ("storage_opt", Shape::Map(&Shape::Any)),
        ("sysctls", PAIRS),
        ("tmpfs", TEXT_OR_TEXTS),
        ("tty", BOOL),
        ("ulimits", ULIMITS),
        ("use_api_socket", BOOL),
        ("user", TEXT),
        ("userns_mode", TEXT),
        ("uts", TEXT),
        ("volumes", Shape::Set(&Shape::Either(&[TEXT, Shape::Object(&VOLUME)]))),
        ("volumes_from", UNIQUE_TEXTS),
        ("working_dir", TEXT),
    ],
    required: &[],
};

const FILE_MOUNTS: Shape = Shape::List(&Shape::Either(&[
    TEXT,
    Shape::Object(&Object {
        keys: &[("source", TEXT), ("target", TEXT), ("uid", TEXT), ("gid", TEXT), ("mode", NUM)],
        required: &[],
    }),
]));

const ULIMITS: Shape = Shape::Map(&Shape::Either(&[
    INT,
    Shape::Object(&Object { keys: &[("hard", INT), ("soft", INT)], required: &["soft", "hard"] }),
]));

const EXTRA_HOSTS: Shape = Shape::Either(&[Shape::Map(&Shape::Either(&[TEXT, TEXTS])), UNIQUE_TEXTS]);

static BLKIO: Object = Object {
    keys: &[
        ("device_read_bps", Shape::List(&BLKIO_RATE)),
        ("device_read_iops", Shape::List(&BLKIO_RATE)),
        ("device_write_bps", Shape::List(&BLKIO_RATE)),
        ("device_write_iops", Shape::List(&BLKIO_RATE)),
        ("weight", INT),
        ("weight_device", Shape::List(&Shape::Object(&BLKIO_WEIGHT))),
    ],
    required: &[],
};

const BLKIO_RATE: Shape =
    Shape::Object(&Object { keys: &[("path", TEXT), ("rate", Shape::Form(Form::Size, &[Int, Text]))], required: &[] });

static BLKIO_WEIGHT: Object = Object { keys: &[("path", TEXT), ("weight", INT)], required: &[] };

static BUILD: Object = Object {
    keys: &[
        ("context", TEXT),
        ("dockerfile", TEXT),
        ("dockerfile_inline", TEXT),
        ("entitlements", TEXTS),
        ("args", PAIRS),
        ("ssh", PAIRS),
        ("labels", PAIRS),
        ("cache_from", TEXTS),
        ("cache_to", TEXTS),
        ("no_cache", BOOL),
        ("no_cache_filter", TEXT_OR_TEXTS),
        ("additional_contexts", PAIRS),
        ("network", TEXT),
        ("provenance", BOOL),
        ("sbom", BOOL),
        ("pull", BOOL),
        ("target", TEXT),
        ("shm_size", Shape::Form(Form::Size, &[Int, Text])),
        ("extra_hosts", EXTRA_HOSTS),
        ("isolation", TEXT),
        ("privileged", BOOL),
        ("secrets", FILE_MOUNTS),
        ("tags", TEXTS),
        ("ulimits", ULIMITS),
        ("platforms", TEXTS),
    ],
    required: &[],
};

static CREDENTIAL_SPEC: Object = Object { keys: &[("config", TEXT), ("file", TEXT), ("registry", TEXT)], required: &[] };

static DEPENDENCY: Object = Object {
    keys: &[
        ("restart", BOOL),
        ("required", BOOL),
        ("condition", Shape::Word(&["service_started", "service_healthy", "service_completed_successfully"])),
    ],
    required: &["condition"],
};

static DEVICE: Object = Object { keys: &[("source", TEXT), ("target", TEXT), ("permissions", TEXT)], required: &["source"] };

static ENV_FILE: Object = Object { keys: &[("path", TEXT), ("format", TEXT), ("required", BOOL)], required: &["path"] };

static EXTENDS: Object = Object { keys: &[("service", TEXT), ("file", TEXT)], required: &["service"] };

static HEALTHCHECK: Object = Object {
    keys: &[
        ("disable", BOOL),
        ("interval", DURATION),
        ("retries", NUM),
        ("test", Shape::Either(&[TEXT, TEXTS])),
        ("timeout", DURATION),
        ("start_period", DURATION),
        ("start_interval", DURATION),
    ],
    required: &[],
};

static LOGGING: Object = Object {
    keys: &[("driver", TEXT), ("options", Shape::Map(&Shape::Scalar(&[Text, Num, Null])))],
    required: &[],
};

static MODEL_BINDING: Object = Object { keys: &[("endpoint_var", TEXT), ("model_var", TEXT)], required: &[] };

static ATTACHMENT: Object = Object {
    keys: &[
        ("aliases", UNIQUE_TEXTS),
        ("interface_name", TEXT),
        ("ipv4_address", TEXT),
        ("ipv6_address", TEXT),
        ("link_local_ips", UNIQUE_TEXTS),
        ("mac_address", TEXT),
        ("driver_opts", OPTIONS),
        ("priority", Shape::Scalar(&[Num])),
        ("gw_priority", Shape::Scalar(&[Num])),
    ],
    required: &[],
};

static PORT: Object = Object {
    keys: &[
        ("name", TEXT),
        ("mode", TEXT),
        ("host_ip", TEXT),
        ("target", INT),
        ("published", INT),
        ("protocol", TEXT),
        ("app_protocol", TEXT),
    ],
    required: &[],
};

static HOOK: Object = Object {
    keys: &[
        ("command", COMMAND),
        ("user", TEXT),
        ("privileged", BOOL),
        ("working_dir", TEXT),
        ("environment", PAIRS),
    ],
    required: &["command"],
};

static PRE_START: Object = Object {
    keys: &[
        ("command", COMMAND),
        ("image", TEXT),
        ("user", TEXT),
        ("privileged", BOOL),
        ("working_dir", TEXT),
        ("environment", PAIRS),
        ("per_replica", BOOL),
    ],
    required: &["command"],
};

const PROVIDER_OPTION: Shape = Shape::Either(&[Shape::Scalar(&[Text, Num, Bool]), Shape::List(&Shape::Scalar(&[Text, Num, Bool]))]);

static PROVIDER: Object = Object { keys: &[("type", TEXT), ("options", Shape::Map(&PROVIDER_OPTION))], required: &["type"] };

static VOLUME: Object = Object {
    keys: &[
        ("type", Shape::Word(&["bind", "volume", "tmpfs", "cluster", "npipe", "image"])),
        ("source", TEXT),
        ("target", TEXT),
        ("read_only", BOOL),
        ("consistency", TEXT),
        ("bind", Shape::Object(&BIND)),
        ("volume", Shape::Object(&VOLUME_OPTIONS)),
        ("tmpfs", Shape::Object(&TMPFS)),
        ("image", Shape::Object(&IMAGE_OPTIONS)),
    ],
    required: &["type"],
};

static BIND: Object = Object {
    keys: &[
        ("propagation", TEXT),
        ("create_host_path", BOOL),
        ("recursive", Shape::Word(&["enabled", "disabled", "writable", "readonly"])),
        ("selinux", Shape::Word(&["z", "Z"])),
    ],
    required: &[],
};

static VOLUME_OPTIONS: Object = Object { keys: &[("labels", PAIRS), ("nocopy", BOOL), ("subpath", TEXT)], required: &[] };

static TMPFS: Object = Object { keys: &[("size", Shape::Form(Form::Room, &[Int, Text])), ("mode", NUM)], required: &[] };

static IMAGE_OPTIONS: Object = Object { keys: &[("subpath", TEXT)], required: &[] };

static DEPLOY: Object = Object {
    keys: &[
        ("mode", TEXT),
        ("endpoint_mode", TEXT),
        ("replicas", INT),
        ("labels", PAIRS),
        ("rollback_config", Shape::Object(&UPDATE)),
        ("update_config", Shape::Object(&UPDATE)),
        ("resources", Shape::Object(&RESOURCES)),
        ("restart_policy", Shape::Object(&RESTART_POLICY)),
        ("placement", Shape::Object(&PLACEMENT)),
    ],
    required: &[],
};

static UPDATE: Object = Object {
    keys: &[
        ("parallelism", INT),
        ("delay", DURATION),
        ("failure_action", TEXT),
        ("monitor", DURATION),
        ("max_failure_ratio", NUM),
        ("order", Shape::Word(&["start-first", "stop-first"])),
    ],
    required: &[],
};

static RESOURCES: Object = Object {
    keys: &[("limits", Shape::Object(&LIMITS)), ("reservations", Shape::Object(&RESERVATIONS))],
    required: &[],
};

static LIMITS: Object = Object { keys: &[("cpus", NUM), ("memory", Shape::Form(Form::Size, &[Text])), ("pids", INT)], required: &[] };

static RESERVATIONS: Object = Object {
    keys: &[
        ("cpus", NUM),
        ("memory", Shape::Form(Form::Size, &[Text])),
        ("generic_resources", Shape::List(&Shape::Object(&GENERIC_RESOURCE))),
        ("devices", Shape::List(&Shape::Object(&DEVICE_REQUEST))),
    ],
    required: &[],
};

static GENERIC_RESOURCE: Object = Object {
    keys: &[("discrete_resource_spec", Shape::Object(&Object { keys: &[("kind", TEXT), ("value", NUM)], required: &[] }))],
    required: &[],
};

static DEVICE_REQUEST: Object = Object { keys: GPU.keys, required: &["capabilities"] };

static GPU: Object = Object {
    keys: &[
        ("capabilities", UNIQUE_TEXTS),
        ("count", INT),
        ("device_ids", UNIQUE_TEXTS),
        ("driver", TEXT),
        ("options", PAIRS),
    ],
    required: &[],
};

static RESTART_POLICY: Object = Object {
    keys: &[("condition", TEXT), ("delay", DURATION), ("max_attempts", INT), ("window", DURATION)],
    required: &[],
};

static PLACEMENT: Object = Object {
    keys: &[
        ("constraints", TEXTS),
        ("preferences", Shape::List(&Shape::Object(&Object { keys: &[("spread", TEXT)], required: &[] }))),
        ("max_replicas_per_node", INT),
    ],
    required: &[],
};

static DEVELOP: Object = Object { keys: &[("watch", Shape::List(&Shape::Object(&WATCH)))], required: &[] };

static WATCH: Object = Object {
    keys: &[
        ("ignore", TEXT_OR_TEXTS),
        ("include", TEXT_OR_TEXTS),
        ("path", TEXT),
        ("action", Shape::Word(&["rebuild", "sync", "restart", "sync+restart", "sync+exec"])),
        ("target", TEXT),
        ("exec", Shape::Object(&HOOK)),
        ("initial_sync", BOOL),
    ],
    required: &["path", "action"],
};
