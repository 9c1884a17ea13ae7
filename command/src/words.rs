//! Errors of the libraries in words: what happened, why, and what to do next. One module for each subject.

mod space;
