//! Whole programs and libraries at work with one another. One binary, because these tests mostly wait: side by side.

mod bad_input;
mod blind_relay;
mod choosing;
mod direct;
mod exit_codes;
mod first_sync;
mod four_lines;
mod full;
mod full_home;
mod inviting;
mod killed;
mod leaving;
mod limit;
mod manual;
mod mayhem;
mod network;
mod partial;
mod passing;
mod private;
mod removing;
mod seeding;
mod sparse;
mod together;
mod unread;
mod verifying;
