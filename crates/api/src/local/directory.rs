//! Judges the directories that people name for projects.

use std::path::Path;

use crate::{Code, Failure, Result};

/// Returns the directory without links, or says why no project can be there.
pub(super) fn of_project(path: &str) -> Result<String> {
    let refuse = |why: String, hint: &str| Err(Failure::new(Code::Invalid, why).hint(hint));
    if !Path::new(path).is_absolute() {
        return refuse(
            format!("the project path {path:?} is not absolute"),
            "give the whole path, from '/'",
        );
    }
    if path.contains('\0') {
        return refuse(
            format!("the project path {path:?} holds a NUL character"),
            "remove it",
        );
    }
    match std::fs::metadata(path) {
        Err(error) => refuse(
            format!("cannot use the project path {path}: {error}"),
            "make the directory first",
        ),
        Ok(meta) if !meta.is_dir() => refuse(
            format!("the project path {path} is not a directory"),
            "name the directory that the program is to run in",
        ),
        Ok(_) => match std::fs::read_dir(path) {
            Err(error) => refuse(
                format!("cannot read the project path {path}: {error}"),
                "give yourself the right to it",
            ),
            Ok(_) => Ok(std::fs::canonicalize(path)
                .ok()
                .and_then(|path| path.to_str().map(str::to_owned))
                .unwrap_or_else(|| path.to_owned())),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn refused(path: &str, part: &str) {
        let failure = of_project(path).unwrap_err();
        assert_eq!(failure.code, Code::Invalid);
        assert!(failure.message.contains(path), "{failure:?}");
        assert!(failure.message.contains(part), "{failure:?}");
        assert!(failure.hint.is_some(), "{failure:?}");
    }

    #[test]
    fn what_no_program_can_run_in_is_refused_by_name() {
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name).to_str().unwrap().to_owned();
        refused("src/api", "not absolute");
        refused(&path("missing"), "No such file");
        fs::write(place.path().join("file"), "").unwrap();
        refused(&path("file"), "not a directory");
        refused(&path("file/below"), "Not a directory");
        assert!(of_project("/a\0b").is_err());
    }

    #[test]
    fn what_may_not_be_read_is_refused_by_name() {
        let place = tempfile::tempdir().unwrap();
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o300)).unwrap();
        let path = place.path().to_str().unwrap().to_owned();
        // Root may read everything. Credentials belong to a thread: this one becomes somebody else.
        std::thread::scope(|scope| {
            scope.spawn(|| {
                if rustix::process::geteuid().is_root() {
                    fs::set_permissions(&path, fs::Permissions::from_mode(0o711)).unwrap();
                    let nobody = rustix::process::Uid::from_raw(65534);
                    rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
                }
                refused(&path, "Permission denied");
            });
        });
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    }

    #[test]
    fn links_are_followed_once_and_for_all() {
        let place = tempfile::tempdir().unwrap();
        let (real, link) = (place.path().join("real"), place.path().join("link"));
        fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let found = of_project(link.to_str().unwrap()).unwrap();
        assert_eq!(Path::new(&found), fs::canonicalize(&real).unwrap());
    }
}
