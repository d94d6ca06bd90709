//! What is measured of apps and hosts: kept, summed up, shown, exported, and forgotten when it is old.

mod kept;
mod story;
