//! What can be wrong with a set of compose files, and the data a good message is made of.

use std::fmt;

use crate::span::Span;

/// What kind of mistake it is; stable, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    /// The text is no YAML.
    Syntax,
    /// A key stands twice in one mapping.
    DuplicateKey,
    /// A key that Compose does not know.
    UnknownKey,
    /// A value of the wrong type.
    WrongType,
    /// A value outside the allowed ones.
    InvalidValue,
    /// A key that must be there is missing.
    MissingKey,
    /// A duration that cannot be read.
    BadDuration,
    /// A size that cannot be read.
    BadSize,
    /// A port mapping that cannot be read.
    BadPort,
    /// A reference to something that is not declared.
    Undefined,
    /// Services that wait for each other in a circle.
    DependencyCycle,
    /// Two attributes that contradict each other.
    Conflict,
    /// A `${…}` that cannot be read.
    BadInterpolation,
    /// A variable that must be set and is not.
    RequiredVariable,
    /// A file that is missing or cannot be read.
    File,
    /// A file of variables that cannot be read.
    Dotenv,
    /// `include` or `extends` in a circle, or of something that cannot be had.
    Reference,
    /// No compose file was found.
    NoComposeFile,
    /// A project name that is not allowed.
    ProjectName,
    /// Aliases or nesting beyond what is reasonable.
    Limit,
    /// A variable that is not set, and has no default.
    UnsetVariable,
    /// An attribute of an older form of the file.
    Obsolete,
    /// Words of a shell where there is no shell.
    NoShell,
    /// A word for true or false that YAML 1.2 does not know.
    BooleanWord,
    /// Several files of which one is taken.
    SeveralFiles,
    /// The file that is taken; no mistake by itself.
    ChosenFile,
    /// A text that is no image reference.
    BadImage,
    /// A text that is no platform.
    BadPlatform,
    /// A text that is no IP or MAC address.
    BadAddress,
    /// A text that is no subnet.
    BadSubnet,
    /// An address outside the subnet it belongs to.
    OutsideSubnet,
    /// An address, or a subnet, that is used twice.
    AddressClash,
    /// A host port that is published twice.
    PortClash,
    /// A word that is none of the known ones, where the reference does not look.
    UnknownWord,
    /// A word that is dropped in silence.
    DroppedWord,
    /// A volume whose name is read as a Windows drive.
    DriveLetter,
    /// A path in the container that is not absolute.
    RelativeTarget,
    /// A health probe that cannot work.
    Healthcheck,
    /// A condition that will never hold.
    NeverReady,
    /// An attribute that has no effect where it stands.
    NoEffect,
    /// An item of a list that became part of the one above.
    FoldedItem,
    /// A blank that became part of a name.
    StrayBlank,
}

impl Code {
    /// Short name of the kind, as `--format json` shows it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Syntax => "syntax",
            Self::DuplicateKey => "duplicate-key",
            Self::UnknownKey => "unknown-key",
            Self::WrongType => "wrong-type",
            Self::InvalidValue => "invalid-value",
            Self::MissingKey => "missing-key",
            Self::BadDuration => "bad-duration",
            Self::BadSize => "bad-size",
            Self::BadPort => "bad-port",
            Self::Undefined => "undefined",
            Self::DependencyCycle => "dependency-cycle",
            Self::Conflict => "conflict",
            Self::BadInterpolation => "bad-interpolation",
            Self::RequiredVariable => "required-variable",
            Self::File => "file",
            Self::Dotenv => "dotenv",
            Self::Reference => "reference",
            Self::NoComposeFile => "no-compose-file",
            Self::ProjectName => "project-name",
            Self::Limit => "limit",
            Self::UnsetVariable => "unset-variable",
            Self::Obsolete => "obsolete",
            Self::NoShell => "no-shell",
            Self::BooleanWord => "boolean-word",
            Self::SeveralFiles => "several-files",
            Self::ChosenFile => "chosen-file",
            Self::BadImage => "bad-image",
            Self::BadPlatform => "bad-platform",
            Self::BadAddress => "bad-address",
            Self::BadSubnet => "bad-subnet",
            Self::OutsideSubnet => "outside-subnet",
            Self::AddressClash => "address-clash",
            Self::PortClash => "port-clash",
            Self::UnknownWord => "unknown-word",
            Self::DroppedWord => "dropped-word",
            Self::DriveLetter => "drive-letter",
            Self::RelativeTarget => "relative-target",
            Self::Healthcheck => "healthcheck",
            Self::NeverReady => "never-ready",
            Self::NoEffect => "no-effect",
            Self::FoldedItem => "folded-item",
            Self::StrayBlank => "stray-blank",
        }
    }
}

/// A second place that belongs to a message, with what is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The place.
    pub span: Span,
    /// What is there.
    pub label: String,
}

/// A mistake, or something worth saying that stops nothing; under `--strict` the one is as bad as the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Its kind.
    pub code: Code,
    /// What it is, as a fragment without a full stop.
    pub message: String,
    /// Path of the value in the model, such as `services.web.ports[0]`; empty if it concerns none.
    pub path: String,
    /// Where it is; `None` if it concerns no file.
    pub span: Option<Span>,
    /// Few words to stand under the marked text.
    pub label: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Further places: the first definition, the steps of a cycle.
    pub notes: Vec<Note>,
    /// How loading came here: includes and extensions, outermost first.
    pub chain: Vec<Note>,
}

impl Finding {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            path: String::new(),
            span: None,
            label: String::new(),
            hint: None,
            notes: Vec::new(),
            chain: Vec::new(),
        }
    }

    /// Says where it is, where that is known.
    pub(crate) fn at<'s>(mut self, span: impl Into<Option<&'s Span>>) -> Self {
        self.span = span.into().cloned();
        self
    }

    pub(crate) fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    pub(crate) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds a hint where there is one.
    pub(crate) fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint.or(self.hint);
        self
    }

    /// Adds a further place where it is known.
    pub(crate) fn note<'s>(mut self, span: impl Into<Option<&'s Span>>, label: impl Into<String>) -> Self {
        if let Some(span) = span.into() {
            self.notes.push(Note { span: span.clone(), label: label.into() });
        }
        self
    }

    /// Whether it is a check that docker compose does not make: a mistake in the file that it leaves to the engine.
    #[must_use]
    pub fn is_check(&self) -> bool {
        match self.code {
            Code::UnsetVariable | Code::Obsolete | Code::NoShell | Code::BooleanWord | Code::SeveralFiles | Code::ChosenFile => false,
            _ => !self.path.is_empty(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(span) = &self.span {
            write!(f, "{span}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for Finding {}

/// Every mistake found, in the order of files and lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecErrors(pub Vec<Finding>);

impl fmt::Display for SpecErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for SpecErrors {}

impl From<Finding> for SpecErrors {
    fn from(error: Finding) -> Self {
        Self(vec![error])
    }
}

/// Makes errors of all warnings, as `--strict` asks for.
///
/// # Errors
/// Every warning but those that only give a fact.
pub fn strict(warnings: &[Finding]) -> Result<(), SpecErrors> {
    let errors = warnings.iter().filter(|warning| warning.code != Code::ChosenFile).cloned();
    let mut errors: Vec<Finding> = errors.collect();
    if errors.is_empty() {
        return Ok(());
    }
    crate::findings::sort(&mut errors);
    Err(SpecErrors(errors))
}
