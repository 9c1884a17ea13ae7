//! What the libraries say by errors and events in words: what happened, why, and what to do next. One module for each subject.

pub(crate) mod fetch;
pub(crate) mod known;
pub(crate) mod landing;
