//! What keeps a mirror from growing with every push: many small packs become one, and refs that the server lists no more go.
//!
//! No object is ever left out, so that a build of a commit that no branch holds any more still finds it: what nobody needs
//! goes with the whole mirror, when that is too old or too large. A kill at any moment loses nothing: a new pack is whole
//! before an old one goes.

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use git2::{Oid, RemoteHead, Repository};

use super::CheckoutError;

/// How many packs a mirror has before some of them become one.
const MOST_PACKS: usize = 20;
/// Packs above this size stay as they are: writing them anew costs more than it saves.
const LARGE_BYTES: u64 = 64 * 1024 * 1024;
/// How long one round may take.
const TIME_LIMIT: Duration = Duration::from_secs(20);
/// The most that one round writes anew, in bytes: builds wait for the mirror meanwhile.
const MOST_BYTES: u64 = 2 * LARGE_BYTES;
/// How many commits that were fetched by their names keep a ref.
const MOST_COMMITS: usize = 100;
/// Where the refs of a mirror are, and those of commits among them.
const OWN: &str = "refs/slipway/";
const COMMITS: &str = "commits/";
/// The first bytes of a pack's index in the form that is known here, and where the number of its objects and their names
/// stand. <https://git-scm.com/docs/pack-format#_version_2_pack_idx_files_support_packs_larger_than_4_gib_and>
const INDEX: [u8; 8] = [0xff, b't', b'O', b'c', 0, 0, 0, 2];
const COUNT_AT: usize = 8 + 255 * 4;
const NAMES_AT: usize = 8 + 256 * 4;
const NAME_BYTES: usize = 20;

/// Forgets what the server does not list any more, as it said in this fetch.
pub(super) fn forget_unlisted(repository: &Repository, heads: &[RemoteHead<'_>]) -> Result<(), git2::Error> {
    // A server that lists nothing has not told what it has.
    if heads.is_empty() {
        return Ok(());
    }
    let listed: HashSet<&str> = heads.iter().filter_map(|head| head.name().strip_prefix("refs/")).collect();
    let mut commits = 0;
    for reference in repository.references_glob(&format!("{OWN}*"))? {
        let mut reference = reference?;
        let Some(name) = reference.name().ok().and_then(|name| name.strip_prefix(OWN)) else { continue };
        let is_over = if name.starts_with(COMMITS) {
            commits += 1;
            commits > MOST_COMMITS
        } else {
            !listed.contains(name)
        };
        if is_over {
            reference.delete()?;
        }
    }
    Ok(())
}

/// Writes the small packs of a mirror as one, where there are too many, and so in the mirrors of its submodules. Nobody else
/// works on it meanwhile.
pub(super) fn pack(mirror: &Path) -> Result<(), CheckoutError> {
    pack_one(mirror)?;
    for module in fs::read_dir(mirror.join("modules")).into_iter().flatten().flatten() {
        pack_one(&module.path())?;
    }
    Ok(())
}

fn pack_one(mirror: &Path) -> Result<(), CheckoutError> {
    let folder = mirror.join("objects/pack");
    let mut packs = packs(&folder)?;
    if packs.len() <= MOST_PACKS {
        return Ok(());
    }
    packs.retain(|pack| pack.bytes <= LARGE_BYTES);
    packs.sort_unstable_by_key(|pack| pack.bytes);
    let mut bytes = 0;
    packs.retain(|pack| {
        bytes += pack.bytes;
        bytes <= MOST_BYTES
    });
    if packs.len() < 2 {
        return Ok(());
    }
    let repository = Repository::open_bare(mirror)?;
    let mut builder = repository.packbuilder()?;
    let end = Instant::now() + TIME_LIMIT;
    builder.set_progress_callback(move |_, _, _| Instant::now() < end)?;
    for pack in &packs {
        for name in names(&pack.index)? {
            builder.insert_object(name, None)?;
        }
    }
    builder.write(&folder, 0)?;
    let made = folder.join(format!("pack-{}.idx", builder.name()?.unwrap_or_default()));
    // What is not on the disk yet must not be all that there is.
    for path in [made.with_extension("pack"), made.clone(), folder] {
        fs::File::open(path)?.sync_all()?;
    }
    for pack in packs.iter().filter(|pack| pack.index != made) {
        // A pack without its index is none: it is swept away the next time, should this be the end.
        fs::remove_file(&pack.index)?;
        fs::remove_file(pack.index.with_extension("pack"))?;
    }
    Ok(())
}

/// A pack, by the path of its index.
struct Pack {
    index: PathBuf,
    bytes: u64,
}

/// The packs in a folder. What is left of one that was being removed goes.
fn packs(folder: &Path) -> io::Result<Vec<Pack>> {
    let mut packs = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let index = path.with_extension("idx");
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("pack") if index.exists() => packs.push(Pack { bytes: fs::metadata(&path)?.len(), index }),
            Some("pack") => fs::remove_file(path)?,
            _ => {}
        }
    }
    Ok(packs)
}

/// The names of the objects in a pack.
fn names(index: &Path) -> Result<Vec<Oid>, CheckoutError> {
    let unreadable = || CheckoutError::Git(format!("the index {} cannot be read", index.display()));
    let bytes = fs::read(index)?;
    let count = bytes.get(COUNT_AT..NAMES_AT).and_then(|count| count.try_into().ok()).map(u32::from_be_bytes);
    let count = count.filter(|_| bytes.starts_with(&INDEX)).ok_or_else(unreadable)?;
    let end = usize::try_from(count).ok().and_then(|count| NAMES_AT.checked_add(count.checked_mul(NAME_BYTES)?));
    let names = end.and_then(|end| bytes.get(NAMES_AT..end)).ok_or_else(unreadable)?;
    Ok(names.chunks_exact(NAME_BYTES).map(Oid::from_bytes).collect::<Result<_, _>>()?)
}
