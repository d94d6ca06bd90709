//! What captain.yml can say, done by a runner on the real engine.

mod conditions;
mod containers;
mod images;
mod local;
mod secrets;
mod services;
