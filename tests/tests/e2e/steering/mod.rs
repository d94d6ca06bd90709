//! People steer rollouts that are under way: they pause them, let them go on, end them; and no crash forgets what they said.

mod newcomer;
mod people;
mod story;
mod watching;
