use askama::Template;

use crate::frame::Frame;

/// `/jump`: the way to any page by a few letters of its name. The script shows its list above whatever page one is on.
#[derive(Debug, Template)]
#[template(path = "jump.html")]
pub struct JumpPage {
    /// What surrounds it.
    pub frame: Frame,
    /// What was asked for.
    pub asked: String,
    /// Where it may lead, the likeliest first.
    pub goals: Vec<Goal>,
}

/// A page that one may want to go to.
#[derive(Debug)]
pub struct Goal {
    /// Its name.
    pub name: String,
    /// What it is, in a word.
    pub what: String,
    /// Its address.
    pub address: String,
}
