//! Names that reach the disk.

use std::fs::File;
use std::io;
use std::path::Path;

/// Brings the name of a directory, and of all that it is in, to the disk: what is in it is lost all the same where one of
/// them is not there. Whoever made them may have been killed before.
///
/// # Errors
/// The directory is not there, or one that it is in can not be synced.
pub fn sync_names(directory: &Path) -> io::Result<()> {
    let directory = directory.canonicalize()?;
    directory.ancestors().try_for_each(|path| match sync_parent(path) {
        // Nor can this user have made something there.
        Err(why) if why.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        synced => synced,
    })
}

/// Brings the name of a file or directory to the disk.
///
/// # Errors
/// The directory that it is in can not be opened or synced.
pub fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}
