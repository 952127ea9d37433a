//! One line of the table.

use rcompose_engine_adapter::Feature;

/// An attribute, or some of its values, and who honours it.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Its path: `*` stands for a name of the author's, `[]` for items of a list.
    pub attribute: &'static str,
    /// Which of its values the row is about.
    pub when: When,
    /// Who honours it.
    pub support: Support,
}

/// Which values of an attribute a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Any.
    Set,
    /// This one.
    Is(&'static str),
    /// Any but this one.
    Not(&'static str),
    /// A list of two or more.
    Several,
    /// None: a row that is only printed.
    Never,
}

/// Who honours an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// Every engine, or rcompose itself; with what is to be said about it.
    Honoured(&'static str),
    /// As the attribute around it.
    Part,
    /// Engines with this feature; refused elsewhere.
    Needs(Feature),
    /// Nobody: accepted with a warning that says why.
    NoEffect(&'static str),
    /// Windows only: accepted elsewhere with a warning that says why.
    WindowsOnly(&'static str),
    /// Nobody: refused.
    Refused(&'static str),
    /// A verb that is not in this version.
    Later(&'static str),
}

impl Row {
    const fn new(attribute: &'static str, support: Support) -> Self {
        Self { attribute, when: When::Set, support }
    }

    /// Limits the row to one value.
    pub(super) const fn when(self, value: &'static str) -> Self {
        Self { when: When::Is(value), ..self }
    }

    /// Limits the row to all values but one.
    pub(super) const fn unless(self, value: &'static str) -> Self {
        Self { when: When::Not(value), ..self }
    }

    /// Limits the row to lists of two or more.
    pub(super) const fn several(self) -> Self {
        Self { when: When::Several, ..self }
    }

    /// Leaves the check to another row.
    pub(super) const fn unchecked(self) -> Self {
        Self { when: When::Never, ..self }
    }
}

pub(super) const fn yes(attribute: &'static str) -> Row {
    Row::new(attribute, Support::Honoured(""))
}

pub(super) const fn noted(attribute: &'static str, note: &'static str) -> Row {
    Row::new(attribute, Support::Honoured(note))
}

pub(super) const fn part(attribute: &'static str) -> Row {
    Row::new(attribute, Support::Part)
}

pub(super) const fn needs(attribute: &'static str, feature: Feature) -> Row {
    Row::new(attribute, Support::Needs(feature))
}

pub(super) const fn idle(attribute: &'static str, why: &'static str) -> Row {
    Row::new(attribute, Support::NoEffect(why))
}

pub(super) const fn windows(attribute: &'static str, why: &'static str) -> Row {
    Row::new(attribute, Support::WindowsOnly(why))
}

pub(super) const fn refused(attribute: &'static str, why: &'static str) -> Row {
    Row::new(attribute, Support::Refused(why))
}

pub(super) const fn later(attribute: &'static str, why: &'static str) -> Row {
    Row::new(attribute, Support::Later(why))
}
