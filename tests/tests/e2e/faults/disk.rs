//! A disk that is full: the runner's checkouts lie on it.

use std::path::PathBuf;

use slipway_tests::{databases::TestDatabase, house::House, processes::run, registry::RegistryFixture, slipway::Setup};

/// A file system of a few MiB in memory, unmounted when it is dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: PathBuf) -> Self {
        std::fs::create_dir_all(&at).unwrap();
        run("mount", &["-t", "tmpfs", "-o", "size=32m", "tmpfs", at.to_str().unwrap()]);
        SmallDisk(at)
    }

    /// Takes all the room that is left.
    fn fill(&self) {
        let mut ballast = std::fs::OpenOptions::new().create(true).append(true).open(self.ballast()).unwrap();
        let piece = [0_u8; 4096];
        while std::io::Write::write_all(&mut ballast, &piece).is_ok() {}
    }

    fn empty(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, as a killed server's files may be open for a moment yet.
        run("umount", &["-l", self.0.to_str().unwrap()]);
    }
}

#[tokio::test]
async fn a_full_disk_of_the_runner_fails_the_checkout_in_words() {
    let setup = Setup::new();
    let disk = SmallDisk::mount(setup.data_dir());
    let house = House::furnished(TestDatabase::sqlite(), RegistryFixture::open().await, setup).await;
    let number = push(&house, "one").await;
    house.build_in(number, "succeeded").await;
    house.is_tidy(0).await;

    let commit = house.git.commit("main", &files(&captain(&house), "two"));
    disk.fill();
    let number = house.announce("main", &commit).await;
    let build = house.build_in(number, "failed").await;
    let reason = build["reason"].as_str().unwrap();
    assert!(reason.contains("No space left on device"), "{reason}");
    house.is_tidy(0).await;

    disk.empty();
    let number = push(&house, "three").await;
    house.build_in(number, "succeeded").await;
    house.is_tidy(0).await;
}

fn captain(house: &House) -> String {
    format!("web:\n  build: Dockerfile\n  image: {}\n", house.image())
}

fn files<'a>(captain: &'a str, version: &'a str) -> [(&'a str, &'a str); 3] {
    [("captain.yml", captain), ("Dockerfile", "FROM busybox:latest\nCOPY version /\n"), ("version", version)]
}

async fn push(house: &House, version: &str) -> i64 {
    house.push("main", &files(&captain(house), version)).await
}
