//! What harbur/captain 1.1.3 does, as facts that hold for the local commands.
//!
//! | captain 1.1.3 | here | test |
//! |---|---|---|
//! | apps are built in the order of the file | the same; apps that need nothing of each other run at the same time | `order::apps_are_planned_in_the_order_of_the_file` |
//! | the context is the Dockerfile's folder | the same | `order::the_context_is_the_dockerfiles_folder` |
//! | reads captain.yml in the folder it is called in | the same, and in a folder without one that of the repository's root, as the server does | `order::the_file_is_that_of_the_folder_or_of_the_repository` |
//! | without a file, every `Dockerfile` and `Dockerfile.*` is `<$USER>/<folder><.suffix>`, in lower case | the same; `Dockerfile.dockerignore` and what git ignores is left out, because the server never sees it | `detection::*` |
//! | `-N` sets the namespace; a slash is added only if it has none | exactly one slash: `registry/team` and `registry/team/` mean the same | `detection::the_namespace_may_be_set` |
//! | `build [app]` builds that app; an unknown one builds nothing, exit 0 | what it needs is built first; an unknown app is an error, exit 2, as a typing error must not pass for a build | `order::one_app_may_be_asked_for` |
//! | a clean tree is tagged latest, the commit (7 digits), the branch, the git tags at the commit | the same | `tagging::a_clean_tree_has_all_its_names` |
//! | `git name-rev` names the branch: another one at the same commit may win; an older commit is `main~3` | the branch that is checked out; an older commit has no name, because `main.3` is another commit tomorrow | `tagging::an_older_commit_has_no_branch` |
//! | `/` and `~` become `.` in tags; what else a tag may not hold fails (exit 2) | every such character becomes `.`, with a suffix where two names would meet | `tagging::names_become_tags` |
//! | local changes: latest only, without `-t` | the same | `tagging::local_changes_give_latest_only` |
//! | no git: latest, and `-t` | the same | `tagging::without_git_there_is_latest` |
//! | `-t` adds a tag, `-B` every branch at the commit, `-l` the whole commit | the same | `tagging::flags_add_names` |
//! | the commit's image exists: `pre` and the build are skipped, names are set, `post` runs | the same | `skipping::what_is_built_is_not_built_again` |
//! | `-f` builds it again, without the engine's cache | the same | `skipping::force_builds_again` |
//! | `test` builds, then tests; a failing test prints an error (exit 0 in some versions) | exit 5, captain's `TestFailed`: the README has "non-zero" | `exits::a_failing_test` |
//! | a failing `pre` or `post` prints an error and goes on | exit 1, and nothing more of the app: the README has "stops" | `exits::a_failing_pre_or_post` |
//! | a failing build: exit 1 | the same | `exits::a_failing_image` |
//! | an invalid file: exit 8, the first error | exit 8, every error with its place | `exits::an_invalid_file` |
//! | the old format: exit 255 | exit 10, captain's own `OldFormat`, which it never used; `slipway lint --fix` converts it | `exits::the_old_format` |
//! | neither a file nor a Dockerfile: nothing happens, exit 0 | exit 9, captain's own `NoDockerfiles`, which it never used | `exits::nothing_to_build` |
//! | push: no git: exit 6; local changes: exit 7; both after the build | the same codes, before the build | `pushing::a_tree_that_may_not_be_pushed` |
//! | push does not test | tests must pass first: the README has "only when tests passes" | `pushing::tests_come_first` |
//! | push: latest and the branch's and git tags; `-b=false` without, `-c` the commit, `-t` one more | the same; an app with `tags` of its own is pushed under these | `pushing::tags_are_chosen` |
//! | logins of docker's config.json | the same, and credential helpers | `pushing::logins_are_dockers` |
//! | pull: latest and the branch's and git tags, `-b -c -t -B`; nothing at all without git | the same; latest without git | `pulling::tags_are_chosen` |
//! | purge deletes every tag but latest, the commit's and the branch's, those of other branches too; its help has "not the latest of at least one branch" | as its help has it: every branch's and tag's names stay, and the commits that they stand at | `purging::stale_names_go` |
//! | purge `-d`, "remove dangling images", does nothing | removes the images of this repository that have no name | `purging::dangling_images_go` |
//! | `pre`, `post`, `test` run with bash on the machine | in containers, as on the server: `defaults.step_image` | `talk::*` |
//! | global flags before or after the command; `--flag=true` | the same | `commands::flags_may_stand_before_the_command` |
//! | `version` prints `v1.1.0` | `v` and Slipway's version | `commands::version` |
//! | `self-update` fetches a binary and replaces itself | says how to update, exit 1: no program fetches its own replacement without its owner | `commands::self_update` |
//! | `USER`, `DOCKER_HOST` are read, `CIRCLECI` works around an old engine | the first two; `NO_COLOR` as well | `detection::*` |
//!
//! Later commits of captain also tag `branch-commit`; no release does, and neither does Slipway: `tags: ["${SLIPWAY_BRANCH}-${SLIPWAY_COMMIT_SHORT}"]` asks for it.

mod commands;
mod detection;
mod exits;
mod order;
mod pulling;
mod purging;
mod pushing;
mod skipping;
mod tagging;
mod talk;

/// A captain.yml of one app that echoes before and after, for images of the test's own.
const HELLO: &str = r#"defaults: {step_image: "busybox:latest"}
web:
  build: Dockerfile
  image: IMAGE/web
  pre: [echo preparing]
  post: [echo finished]
  test: [docker run IMAGE/web echo testing]
"#;
/// A Dockerfile that needs nothing.
const DOCKERFILE: &str = "FROM busybox:latest\nCOPY captain.yml /\n";

/// The files of a repository with one app.
const FILES: [(&str, &str); 2] = [("captain.yml", HELLO), ("Dockerfile", DOCKERFILE)];
