use super::*;

fn images(text: &str, args: &[(&str, &str)], target: Option<&str>) -> String {
    let args: Vec<_> = args.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let uses = Dockerfile::read(text, &args).images(target);
    uses.iter().map(|found| format!("{} {}", found.place, found.image)).collect::<Vec<_>>().join(", ")
}

#[test]
fn images_are_found_wherever_they_are_named() {
    let text = "# syntax=docker/dockerfile:1\n\
        FROM --platform=$BUILDPLATFORM reg:5000/shop/tools AS build\n\
        RUN --mount=type=cache,target=/x --mount=type=bind,from=shop/data,target=/data make\n\
        from build\n\
        COPY --chown=1 --from=shop/assets /a /b\n\
        COPY --from=build /x /y\n\
        COPY --from=0 /x /y\n\
        ADD FROM /nowhere\n";
    assert_eq!(images(text, &[], None), "FROM reg:5000/shop/tools, RUN --mount shop/data, COPY --from shop/assets");
}

#[test]
fn stages_are_no_images_and_scratch_is_nothing() {
    assert_eq!(images("FROM scratch\nFROM a AS Base\nFROM base AS c\nCOPY --from=BASE / /\n", &[], None), "FROM a");
    assert_eq!(images("FROM later AS a\nFROM x AS later\nCOPY --from=a / /", &[], None), "FROM later, FROM x");
}

#[test]
fn only_the_stages_that_the_target_builds_on_count() {
    let text = "FROM a AS one\nFROM b AS two\nCOPY --from=one / /\nFROM c AS three\nFROM two AS four\n";
    assert_eq!(images(text, &[], None), "FROM a, FROM b");
    assert_eq!(images(text, &[], Some("three")), "FROM c");
    assert_eq!(images(text, &[], Some("ONE")), "FROM a");
    assert_eq!(images(text, &[], Some("2")), "FROM c");
    assert_eq!(images(text, &[], Some("nowhere")), "FROM a, FROM b, FROM c");
    let file = Dockerfile::read(text, &[]);
    assert!(file.has_stage("four") && !file.has_stage("five"));
    assert_eq!(file.stage_names().collect::<Vec<_>>(), ["one", "two", "three", "four"]);
}

#[test]
fn arguments_before_the_first_stage_are_filled_in() {
    let text = "ARG REGISTRY=reg:5000 TAG\nARG BASE=\"${REGISTRY}/shop/base\"\nFROM ${BASE}${TAG:+:$TAG}\n";
    assert_eq!(images(text, &[], None), "FROM reg:5000/shop/base");
    assert_eq!(images(text, &[("REGISTRY", "other"), ("TAG", "1")], None), "FROM other/shop/base:1");
    let form = |from: &str| images(&format!("ARG A=a\nARG B\nARG E=\nFROM x$A{from}"), &[], None);
    for (written, expected) in [
        ("${B:-b}", "xab"),
        ("${E:-b}", "xab"),
        ("${E-b}", "xa"),
        ("${B:-${C-${A}}}", "xaa"),
        ("${A+c}", "xac"),
        ("${A:?no}", "xaa"),
        ("\\$A", "xa$A"),
        ("'$A'", "xa$A"),
        ("$A", "xaa"),
        ("$NOBODY", "xa"),
    ] {
        assert_eq!(form(written), format!("FROM {expected}"), "{written}");
    }
    assert_eq!(form("${A#a}"), "", "what is not known names no image");
    assert_eq!(images("FROM a AS x\nARG B=b\nFROM x$B", &[], None), "FROM a", "a stage's own arguments are none");
}

#[test]
fn lines_go_on_and_heredocs_are_skipped() {
    let text = "FROM \\\n  # a comment\n\n  a\\\n AS x\nRUN <<EOF sh <<-'TWO'\nFROM b\nEOF\nFROM c\n\t\tTWO\nRUN x <<< y\nFROM d\nCOPY --from=x / /";
    assert_eq!(images(text, &[], None), "FROM a, FROM d");
    assert_eq!(images("# escape=`\nFROM a\nRUN dir C:\\\nFROM `\nb\n", &[], None), "FROM b");
    assert_eq!(images("FROM a\nRUN <<EOF\nFROM b\n", &[], None), "FROM a", "a heredoc without its end");
    assert_eq!(images("\u{feff}FROM a\r\n", &[], None), "FROM a");
    assert_eq!(images("RUN x\nCOPY --from=a / /\nONBUILD COPY --from=b / /\n", &[], None), "");
}

#[test]
fn secrets_are_known_by_their_ids() {
    let text = "FROM a\nRUN --mount=type=secret,id=NPM_TOKEN --mount=type=secret,target=/run/secrets/key npm ci\n";
    let file = Dockerfile::read(text, &[]);
    assert!(file.mounts_secret("NPM_TOKEN") && file.mounts_secret("key") && !file.mounts_secret("OTHER"));
}

#[test]
fn an_image_of_the_build_is_meant_by_its_bare_name_or_as_its_latest() {
    for written in ["shop/base", "docker.io/shop/base", "shop/base:latest"] {
        assert!(means(written, "shop/base"), "{written}");
    }
    for written in ["shop/base:1.2", "shop/base@sha256:00", "shop/base-of-another", "reg:5000/shop/base"] {
        assert!(!means(written, "shop/base"), "{written}");
    }
}

#[test]
fn what_would_grow_without_end_is_not_followed() {
    let mut text = "ARG A0=aaaaaaaa\n".to_owned();
    for at in 1..64 {
        text.push_str(&format!("ARG A{at}=${{A{0}}}${{A{0}}}\n", at - 1));
    }
    text.push_str("FROM ${A63}\n");
    assert_eq!(images(&text, &[], None), "");
    let nested = format!("FROM {}x{}", "${A:-".repeat(200), "}".repeat(200));
    assert_eq!(images(&nested, &[], None), "");
}

#[test]
fn images_are_named_with_their_places_in_the_text() {
    let text = "\u{feff}ARG BASE=shop/base\n# FROM x\nFROM --platform=linux/amd64 \\\n  # why\n  ${BASE}:latest AS one\n\
                COPY --chown=1 \\\n --from=\"shop/tools\" /a /b\nRUN --mount=type=bind,from=shop/cache,target=/c <<EOF\nFROM no\nEOF\n\
                FROM one\nCOPY --from=one /x /y\nFROM shop/\\\nsplit\n";
    let file = Dockerfile::read(text, &[]);
    let named: Vec<_> = file.named().iter().map(|named| (&text[named.place.clone()], named.image.as_str())).collect();
    assert_eq!(
        named,
        [("${BASE}:latest", "shop/base:latest"), ("shop/tools", "shop/tools"), ("shop/cache", "shop/cache")],
        "neither stages, nor comments, nor heredocs, nor what a line's end splits"
    );
}

#[test]
fn what_is_taken_from_elsewhere_is_known_to_be() {
    let takes_unknown =
        |text: &str| Dockerfile::read(text, &[("BASE".to_owned(), "busybox".to_owned())]).takes_unknown();
    for closed in [
        "FROM scratch\nADD app.tar /\n",
        "ARG BASE\nFROM $BASE AS a\nRUN wget https://example.com/x\nFROM a\nCOPY --from=a /x /\n",
    ] {
        assert!(!takes_unknown(closed), "{closed}");
    }
    for open in [
        "FROM busybox\nADD https://example.com/x /\n",
        "FROM busybox\nADD \\\n  git@example.com:x/y /\n",
        "FROM busybox\nARG WHERE\nADD $WHERE /\n",
        "FROM busybox\nONBUILD ADD https://example.com/x /\n",
        "FROM busybox\nCOPY --from=$STAGE /x /\n",
    ] {
        assert!(takes_unknown(open), "{open}");
    }
}

#[test]
fn what_may_name_an_image_unseen_is_said() {
    for open in [
        "FROM busybox\nCOPY --from=reg/x / /\nRUN --mount=type=bind,from=reg/y true\nADD https://x/y /\n",
        "ARG A=reg\nFROM $A/x\nONBUILD COPY . /app\n",
        "FROM ${A:-reg}\n",
    ] {
        assert!(!Dockerfile::read(open, &[]).hides_images(), "{open}");
    }
    for hidden in [
        "FROM $A\n",
        "FROM busybox\nCOPY --fr\\om=reg/x / /\n",
        "FROM busybox\nCOPY --from=$A / /\n",
        "FROM busybox\nRUN --mount=type=bind,\"from=reg/x\" true\n",
        "FROM busybox AS a\nONBUILD COPY --from=reg/x / /\nFROM a\n",
    ] {
        assert!(Dockerfile::read(hidden, &[]).hides_images(), "{hidden}");
    }
}

#[test]
fn the_frontend_is_what_the_first_comments_say() {
    for (text, frontend) in [
        ("# syntax=docker/dockerfile:1\nFROM x\n", Some("docker/dockerfile:1")),
        ("# escape=`\n\n#  Syntax = evil/frontend more\nFROM x\n", Some("evil/frontend")),
        ("// syntax=evil/frontend\nFROM x\n", Some("evil/frontend")),
        ("{\"syntax\": \"evil/frontend\"}\n", Some("{")),
        ("FROM x\n# syntax=docker/dockerfile:1\n", None),
    ] {
        assert_eq!(Dockerfile::read(text, &[]).frontend(), frontend, "{text}");
    }
}
