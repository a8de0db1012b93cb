use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};

use tempfile::TempDir;

use super::*;
use crate::grant::tests::{name, sign_in};

fn place() -> (TempDir, PathBuf, FileKeep) {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("state/bauta");
    let keep = FileKeep::new(&folder);
    (home, folder, keep)
}

fn held(keep: &FileKeep) -> Box<dyn Held> {
    keep.try_hold().unwrap().unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

#[test]
fn what_is_kept_reads_back_and_only_its_owner_may_read_it() {
    let (_home, folder, keep) = place();
    let kept = sign_in(&["frontier", "local"]);

    held(&keep).write(&kept).unwrap();

    let read = held(&keep).read().unwrap().unwrap();
    let (before, after) = (&kept.grants[&name("local")], &read.grants[&name("local")]);
    assert_eq!(after.access.reveal(), before.access.reveal());
    assert_eq!(after.refresh.reveal(), before.refresh.reveal());
    assert_eq!(after.expires_at, before.expires_at);
    assert_eq!((read.issuer, read.first), (kept.issuer, kept.first));
    assert_eq!(mode(&folder), 0o700);
    for entry in fs::read_dir(&folder).unwrap() {
        assert_eq!(mode(&entry.unwrap().path()), 0o600);
    }
}

#[test]
fn a_file_or_folder_that_others_may_read_is_refused_and_says_how_to_mend_it() {
    let (_home, folder, keep) = place();
    held(&keep).write(&sign_in(&["frontier"])).unwrap();
    let file = folder.join("sign-in.json");

    for loose in [0o640, 0o604, 0o620, 0o777] {
        fs::set_permissions(&file, Permissions::from_mode(loose)).unwrap();
        let error = held(&keep).read().err().unwrap().to_string();
        assert!(error.contains("chmod 600"), "{error}");
    }
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    for loose in [0o750, 0o701] {
        fs::set_permissions(&folder, Permissions::from_mode(loose)).unwrap();
        let error = keep.try_hold().err().unwrap().to_string();
        assert!(error.contains("chmod 700"), "{error}");
    }
    fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
    assert!(held(&keep).read().unwrap().is_some());
}

#[test]
fn only_one_holds_at_a_time() {
    let (_home, _folder, keep) = place();
    let first = held(&keep);

    assert!(keep.try_hold().unwrap().is_none());
    drop(first);
    assert!(keep.try_hold().unwrap().is_some());
}

#[test]
fn a_write_that_was_cut_short_leaves_what_was_there() {
    let (_home, folder, keep) = place();
    held(&keep).write(&sign_in(&["frontier"])).unwrap();
    fs::write(folder.join("sign-in.json.new"), "{\"vers").unwrap();

    assert!(held(&keep).read().unwrap().is_some());
    held(&keep).write(&sign_in(&["local"])).unwrap();
    let read = held(&keep).read().unwrap().unwrap();
    assert_eq!(read.first, name("local"));
    assert!(!folder.join("sign-in.json.new").exists());
}

#[test]
fn a_place_that_cannot_be_written_says_so_before_anything_is_spent() {
    let (_home, folder, keep) = place();
    let mut first = held(&keep);
    // Root may write anywhere: what stands in the way is not a mode.
    fs::create_dir(folder.join("sign-in.json.new")).unwrap();

    assert!(matches!(first.ready(), Err(KeepError::Io { .. })));
    fs::remove_dir(folder.join("sign-in.json.new")).unwrap();
    first.ready().unwrap();
    drop(first);
    assert!(!folder.join("sign-in.json.new").exists(), "left behind");
}

#[test]
fn what_is_forgotten_is_gone() {
    let (_home, folder, keep) = place();
    held(&keep).write(&sign_in(&["frontier"])).unwrap();

    held(&keep).forget().unwrap();

    assert!(held(&keep).read().unwrap().is_none());
    assert!(!folder.join("sign-in.json").exists());
    held(&keep).forget().unwrap();
}

#[test]
fn another_version_or_a_torn_secret_is_no_sign_in() {
    let (_home, folder, keep) = place();
    held(&keep).write(&sign_in(&["frontier"])).unwrap();
    let file = folder.join("sign-in.json");
    let good = fs::read_to_string(&file).unwrap();

    for bad in [
        String::new(),
        good.replace("\"version\":1", "\"version\":2"),
        good.replace("bauta_rt_", "bauta_dc_"),
        good.replace("https://ai.", "http://ai."),
        good.replace("bauta_access", "bauta_\\u001b"),
    ] {
        assert_ne!(bad, good);
        fs::write(&file, bad).unwrap();
        let error = held(&keep).read().err().unwrap();
        assert!(matches!(error, KeepError::Broken { .. }), "{error}");
    }
}
