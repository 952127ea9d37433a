//! Where values come from, recorded while loading where [`LoadOptions::trace`](crate::LoadOptions) asks for it.

use crate::path::{Step, show};
use crate::span::Span;
use crate::tree::Node;

/// What was recorded, in the order it happened.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    /// Lines of files of variables; of one owner, later ones win.
    pub settings: Vec<Setting>,
    /// Where variables are named.
    pub uses: Vec<VariableUse>,
    /// Values that a later file, or the extending service, replaced or took away.
    pub overridden: Vec<Overridden>,
}

/// A line of a file of variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Name of the variable.
    pub name: String,
    /// Its value, with variables replaced.
    pub value: String,
    /// The name in the file.
    pub span: Span,
    /// Whose variable it is.
    pub owner: Owner,
}

/// Whose variables a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// The project's: `.env`, `--env-file`.
    Project,
    /// Those of an included file; the place of the `include`.
    Include(Span),
    /// Those of a container: `env_file` of this service.
    Service(String),
}

/// A place that names a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VariableUse {
    /// Name of the variable.
    pub name: String,
    /// Path of the value in its file.
    pub path: String,
    /// The value as it is written.
    pub written: String,
    /// Where it is written.
    pub span: Span,
}

/// A value that counts no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overridden {
    /// Path of the value.
    pub path: String,
    /// The value that was there, mappings and lists as JSON.
    pub value: String,
    /// Where it is written.
    pub span: Span,
    /// Where the value that replaced it is written; `None` if `!reset` or `!override` took it away.
    pub by: Option<Span>,
}

impl Trace {
    /// Records that `node` at `path` counts no more.
    pub(crate) fn overridden(&mut self, path: &[Step<'_>], node: &Node, by: Option<&Span>) {
        self.overridden
            .push(Overridden { path: show(path), value: node.shown(), span: node.span.clone(), by: by.cloned() });
    }
}
