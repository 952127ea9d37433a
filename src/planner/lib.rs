//! Project and Observed in, Plan out; a pure function.
