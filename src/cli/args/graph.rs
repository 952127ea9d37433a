//! Flags of `plan` and `graph`.

use clap::{Args, ValueEnum};

use super::UpArgs;

/// Flags of `plan`: those of `up`, and the form.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct PlanArgs {
    /// The `up` that is asked about.
    #[command(flatten)]
    pub(crate) up: UpArgs,
    /// The form
    #[arg(long, value_name = "FORM")]
    pub(crate) format: Option<PlanFormat>,
    /// The plan as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// How a plan is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlanFormat {
    /// For people
    Text,
    /// For programs
    Json,
}

/// Flags of `graph`.
#[derive(Debug, Clone, Args)]
pub(crate) struct GraphArgs {
    /// Services, with what they depend on; default: all
    #[arg(value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
    /// The form
    #[arg(long, value_name = "FORM", default_value = "tree")]
    pub(crate) format: GraphFormat,
}

/// How a graph is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum GraphFormat {
    /// Indented lines
    Tree,
    /// Mermaid source
    Mermaid,
    /// Graphviz source
    Dot,
    /// A picture
    Svg,
    /// For programs
    Json,
}
