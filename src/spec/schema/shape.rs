//! The language of the tables.

/// What a value may be.
pub(super) enum Shape {
    /// Anything.
    Any,
    /// A scalar of one of these types.
    Scalar(&'static [Type]),
    /// A string with a written form of its own.
    Form(Form, &'static [Type]),
    /// A number between two bounds, or a string.
    Range(i64, i64),
    /// One of these words.
    Word(&'static [&'static str]),
    /// A list.
    List(&'static Shape),
    /// A list without repetitions.
    Set(&'static Shape),
    /// A mapping with keys of the user's choice.
    Map(&'static Shape),
    /// A mapping whose keys name resources of the project.
    Named(&'static Shape),
    /// A mapping with known keys.
    Object(&'static Object),
    /// One of several shapes, told apart by being a scalar, a list or a mapping.
    Either(&'static [Shape]),
}

/// A mapping with known keys; `x-*` is allowed everywhere.
pub(super) struct Object {
    pub(super) keys: &'static [(&'static str, Shape)],
    pub(super) required: &'static [&'static str],
}

/// Types of scalars.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Null,
    Bool,
    Int,
    Num,
    Text,
}

/// Written forms of strings.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Duration,
    Size,
    /// A size that as a number cannot be negative; elsewhere -1 is no limit.
    Room,
    /// At least two characters, the first a letter or a digit.
    ContainerName,
    PullPolicy,
}

use Type::{Bool, Int, Null, Num, Text};

pub(super) const TEXT: Shape = Shape::Scalar(&[Text]);
pub(super) const BOOL: Shape = Shape::Scalar(&[Bool, Text]);
pub(super) const INT: Shape = Shape::Scalar(&[Int, Text]);
pub(super) const NUM: Shape = Shape::Scalar(&[Num, Text]);
pub(super) const NULL: Shape = Shape::Scalar(&[Null]);
pub(super) const DURATION: Shape = Shape::Form(Form::Duration, &[Text]);
pub(super) const SIZE: Shape = Shape::Form(Form::Size, &[Num, Text]);
pub(super) const TEXTS: Shape = Shape::List(&TEXT);
pub(super) const UNIQUE_TEXTS: Shape = Shape::Set(&TEXT);
pub(super) const TEXT_OR_TEXTS: Shape = Shape::Either(&[TEXT, UNIQUE_TEXTS]);
/// `KEY=VALUE` as a list or a mapping.
pub(super) const PAIRS: Shape = Shape::Either(&[Shape::Map(&Shape::Scalar(&[Text, Num, Bool, Null])), UNIQUE_TEXTS]);
pub(super) const COMMAND: Shape = Shape::Either(&[NULL, TEXT, TEXTS]);
/// Options of a driver.
pub(super) const OPTIONS: Shape = Shape::Map(&Shape::Scalar(&[Text, Num]));
