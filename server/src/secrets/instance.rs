//! The secrets of the whole instance: each for the repositories that its patterns name, unless they have one of that name.

use super::{
    GivenTo, LoginScope, Place, Sealer, Secret,
    repository::{COUNT_LIMIT, SecretError, check},
};
use crate::store::{self, Tx};

/// A secret of the instance as somebody asks for it.
#[derive(Debug)]
pub struct NewInstanceSecret<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its value.
    pub value: &'a Secret,
    /// The repositories that it is for.
    pub scope: &'a LoginScope,
    /// The builds that it is for; none for those that it was for before, or every one.
    pub given_to: Option<&'a GivenTo>,
}

/// Sets a secret of the instance.
///
/// # Errors
/// [`SecretError`] says why it was not.
pub async fn set(tx: &mut Tx, sealer: &Sealer, new: &NewInstanceSecret<'_>) -> Result<(), SecretError> {
    check(None, new.name, new.value)?;
    new.given_to.map_or(Ok(()), GivenTo::check)?;
    if store::instance_secrets::count_others(&mut tx.conn(), new.name).await? >= COUNT_LIMIT {
        return Err(SecretError::TooManyOfInstance);
    }
    let sealed = sealer.seal(Place::instance_secret(new.name), new.value);
    Ok(store::instance_secrets::set(tx, new.name, &sealed, new.scope, new.given_to).await?)
}
