//! Runners in processes of their own, over HTTP: what their tokens open, and how they take a bad line, a server that
//! goes away, and their own end.

mod fence;
mod house;
mod lost;
mod placement;
mod servers;
mod skew;
