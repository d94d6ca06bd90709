//! Whatever a form of the dashboard does, a program can do: each has its twin in the API.

use super::routes;
use crate::{access::Verb, http::api};

/// The form's path below the repository where it is of one, and the operation of the API that does the same.
const TWINS: &[(&str, &[&str])] = &[
    ("/account/tokens", &["createOwnToken"]),
    ("/account/tokens/{id}/revoke", &["revokeOwnToken"]),
    ("/alerts/channels", &["setChannel"]),
    ("/alerts/channels/{name}/remove", &["removeChannel"]),
    ("/alerts/channels/{name}/test", &["testChannel"]),
    ("/alerts/{id}/acknowledge", &["acknowledgeAlert"]),
    ("/alerts/{id}/close", &["closeAlert"]),
    ("/connect", &["connectRepository"]),
    ("…/builds", &["requestBuild"]),
    ("…/builds/{number}/again", &["buildAgain"]),
    ("…/builds/{number}/approve", &["approveBuild"]),
    ("…/builds/{number}/refuse", &["refuseBuild"]),
    ("…/settings/approvals", &["setApprovals"]),
    ("…/settings/approvals/trust", &["trustAccount"]),
    ("…/settings/approvals/distrust", &["distrustAccount"]),
    ("…/builds/{number}/cancel", &["cancelBuild"]),
    ("…/builds/{number}/retry", &["retryBuild"]),
    ("…/environments/{environment}/freeze", &["freezeEnvironment"]),
    ("…/environments/{environment}/promote", &["promote"]),
    ("…/environments/{environment}/protection", &["setProtection"]),
    ("…/environments/{environment}/releases/{number}/approve", &["approveRelease"]),
    ("…/environments/{environment}/releases/{number}/reject", &["rejectRelease"]),
    (
        "…/environments/{environment}/releases/{number}/rollout/{order}",
        &["pauseRollout", "resumeRollout", "cancelRollout"],
    ),
    ("…/environments/{environment}/restore", &["restore"]),
    ("…/environments/{environment}/rollback", &["rollBack"]),
    ("…/environments/{environment}/unfreeze", &["unfreezeEnvironment"]),
    ("…/schedules/{schedule}/pause", &["pauseSchedule"]),
    ("…/schedules/{schedule}/resume", &["resumeSchedule"]),
    ("…/schedules/{schedule}/run", &["runSchedule"]),
    ("…/settings/disconnect", &["disconnectRepository"]),
    ("…/settings/hook-secret", &["renewHookSecret"]),
    ("…/settings/reports", &["setReporting"]),
    ("…/settings/secrets", &["setSecret", "setEnvironmentSecret"]),
    ("…/settings/secrets/remove", &["removeSecret", "removeEnvironmentSecret"]),
    ("…/settings/source", &["changeRepository", "limitRepository"]),
    ("…/setup/hook-secret", &["renewHookSecret"]),
    ("…/setup/test", &["testHook"]),
    ("/deliveries/{id}/redeliver", &["redeliver"]),
    ("/runners", &["admitRunner"]),
    ("/runners/{name}/drain", &["drainRunner"]),
    ("/runners/{name}/revoke", &["dismissRunner"]),
    ("/runners/{name}/undrain", &["undrainRunner"]),
    ("/settings/github", &["setForge"]),
    ("/settings/github/{name}/check", &["checkForge"]),
    ("/settings/github/{name}/remove", &["removeForge"]),
    ("/settings/registries", &["setRegistry"]),
    ("/settings/registries/{host}/remove", &["removeRegistry"]),
    ("/settings/secrets", &["setInstanceSecret"]),
    ("/settings/secrets/rotate", &["rotateSecretKey"]),
    ("/settings/secrets/{name}/remove", &["removeInstanceSecret"]),
    ("/settings/tokens", &["createToken"]),
    ("/settings/tokens/{id}/revoke", &["revokeToken"]),
    ("/settings/users", &["inviteUser"]),
    ("/settings/users/{name}/disable", &["disableUser"]),
    ("/settings/users/{name}/enable", &["enableUser"]),
    ("/settings/users/{name}/grants", &["grantUser"]),
    ("/settings/users/{name}/grants/{grant}/remove", &["takeUserGrant"]),
    ("/settings/users/{name}/link", &["renewUserLink"]),
    ("/settings/users/{name}/remove", &["removeUser"]),
];

/// One's own password, sessions and accounts elsewhere, which no token changes.
const ONE_S_OWN: &[&str] = &[
    "/account/connect/{provider}",
    "/account/identities/{id}/disconnect",
    "/account/password",
    "/account/sessions/{id}/end",
    "/welcome/{link}",
];

#[test]
fn every_form_has_its_twin_in_the_api() {
    let (_, permissions) = routes().into_parts();
    let forms: Vec<String> = permissions
        .iter()
        .filter(|(verb, ..)| *verb == Verb::Post)
        .map(|(_, path, _)| path.replace("/repositories/{owner}/{name}/", "…/"))
        .collect();
    for form in forms.iter().filter(|form| !ONE_S_OWN.contains(&form.as_str())) {
        assert!(TWINS.iter().any(|(path, _)| path == form), "the form {form} has no twin in the API");
    }
    let api = api::routes();
    for (form, twins) in TWINS {
        assert!(forms.iter().any(|path| path == form), "there is no form {form} any more");
        for twin in *twins {
            assert!(api.operations().iter().any(|operation| operation.id == *twin), "{form}: there is no {twin}");
        }
    }
}
