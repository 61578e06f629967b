// The methods of identity: validate, call the store, fill the reply.

#include "services/identity/methods.h"
#include "services/identity/operators_rpc.h"

#include "core/audit/audit.h"
#include "core/audit/methods.h"

#include <stdio.h>
#include <string.h>

// ---- ServerLogin ----

typedef struct server_login {
    server_key_row row;
    bool known;
    int64_t now_us;
} server_login;

static ow_code server_login_check(ow_run *run) {
    server_login *login = run->state;
    login->now_us = now_us(run);
    return check_server_login(run->request, login->now_us, run->err);
}

static ow_code server_login_find(ow_run *run) {
    const server_login_request *request = run->request;
    server_login *login = run->state;
    ow_code code = store_server_key_find(run->db, request->key_id, &login->row, run->err);
    login->known = code == OW_OK;
    // An unknown key is told from a wrong signature by nobody: the signature is checked first.
    return code == OW_NOT_FOUND ? OW_OK : code;
}

static ow_code server_login_verify(ow_run *run) {
    const identity *self = run->self;
    const server_login_request *request = run->request;
    const server_login *login = run->state;
    uint8_t secret[OW_SHA256_SIZE], expected[OW_SHA256_SIZE];
    derive_secret(self->keys.master.bytes, self->keys.master.size, request->key_id, secret);
    bool valid = sign_login(secret, request, expected) &&
                 ow_equal_in_constant_time(expected, request->signature.data, sizeof expected) &&
                 login->known;
    explicit_bzero(secret, sizeof secret);
    if (!valid) {
        return ow_fail(run->err, OW_UNAUTHENTICATED, "bad_signature",
                       "there is no such server key, or it has not signed this");
    }
    if (login->row.revoked_us != 0) {
        return ow_fail(run->err, OW_UNAUTHENTICATED, "key_revoked", "the server key is revoked");
    }
    if (request->title[0] != '\0' && strcmp(request->title, login->row.title) != 0) {
        return ow_fail(run->err, OW_PERMISSION_DENIED, "other_title",
                       "the server key belongs to another title");
    }
    return OW_OK;
}

static ow_code server_login_nonce(ow_run *run) {
    const server_login_request *request = run->request;
    const server_login *login = run->state;
    ow_code code = store_nonce_use(run->db, request->key_id, request->nonce,
                                   nonce_expiry_us(request), login->now_us, run->err);
    if (code == OW_NOT_FOUND) {
        return ow_fail(run->err, OW_UNAUTHENTICATED, "key_revoked", "the server key is revoked");
    }
    return code;
}

static ow_code server_login_sign(ow_run *run) {
    identity *self = run->self;
    const server_login *login = run->state;
    server_login_response *reply = run->reply;
    ow_token_claims claims = {.kind = OW_TOKEN_SERVER};
    memcpy(claims.title, login->row.title, sizeof claims.title);
    memcpy(claims.subject, login->row.key_id, sizeof claims.subject);
    ow_id_make(claims.token_id, "ses_", login->now_us);
    ow_code code = sign_token(run, &claims, SERVER_TOKEN_S, &reply->access_token);
    if (code != OW_OK) {
        return code;
    }
    bool failed = false;
    reply->title = dup(run, login->row.title, &failed);
    reply->expires_at = timestamp(run, claims.expires_s * SECOND_US, &failed);
    ow_counter_add(self->server_logins, 1);
    return failed ? no_memory(run) : OW_OK;
}

// ---- WhoAmI ----

static ow_code who_am_i(ow_run *run) {
    static const char *const kinds[] = {
        [OW_NOBODY] = "nobody",     [OW_PLAYER] = "player",     [OW_SERVER] = "server",
        [OW_OPERATOR] = "operator", [OW_PLATFORM] = "platform",
    };
    static const char *const roles[] = {
        [OW_ROLE_NONE] = "",
        [OW_ROLE_VIEWER] = "viewer",
        [OW_ROLE_DEVELOPER] = "developer",
        [OW_ROLE_ADMIN] = "admin",
    };
    const ow_principal *principal = run->call->principal;
    who_am_i_response *reply = run->reply;
    bool failed = false;
    reply->kind = dup(run, kinds[principal->kind], &failed);
    reply->id = dup(run, principal->id, &failed);
    reply->title = dup(run, principal->title, &failed);
    reply->role = dup(run, roles[principal->role], &failed);
    reply->every_title = principal->every_title;
    return failed ? no_memory(run) : OW_OK;
}

// ---- WatchVerification ----

static ow_code watch(ow_run *run) {
    identity *self = run->self;
    return verification_watch(self->verification, run);
}

// ---- Backup ----

static ow_code start_backup(ow_run *run) {
    identity *self = run->self;
    return ow_backup_start_step(self->backup, run);
}

static ow_code started_backup(ow_run *run) {
    identity *self = run->self;
    ow_backup_note(run, now_us(run));
    return ow_backup_started_step(self->backup, run);
}

static ow_code read_backup(ow_run *run) {
    identity *self = run->self;
    return ow_backup_read_step(self->backup, run);
}

const ow_method identity_methods[] = {
    {"DeviceLogin",
     sizeof(arriving),
     {{OW_LOOP, device_login_check}, {OW_WRITE, arrive_store}, {OW_LOOP, arrive_reply}}},
    {"CustomLogin",
     sizeof(arriving),
     {{OW_LOOP, custom_login_check}, {OW_WRITE, arrive_store}, {OW_LOOP, arrive_reply}}},
    {"EmailLogin",
     sizeof(arriving),
     {{OW_LOOP, email_login_check},
      {OW_READ, email_login_find},
      {OW_POOL, email_login_verify},
      {OW_WRITE, arrive_store},
      {OW_LOOP, email_login_reply}}},
    {"LinkLogin",
     sizeof(linking),
     {{OW_LOOP, link_check},
      {OW_POOL, link_prove},
      {OW_LOOP, link_renew},
      {OW_POOL, link_prove},
      {OW_WRITE, link_store},
      {OW_LOOP, link_reply}}},
    {"OidcLogin",
     sizeof(arriving),
     {{OW_LOOP, oidc_login_check},
      {OW_POOL, oidc_login_verify},
      {OW_LOOP, oidc_login_renew},
      {OW_POOL, oidc_login_verify},
      {OW_WRITE, arrive_store},
      {OW_LOOP, arrive_reply}}},
    {"UnlinkLogin", 0, {{OW_WRITE, unlink_store}}},
    {"ListLogins", 0, {{OW_READ, list_logins}}},
    {"ChangePassword",
     sizeof(password_changing),
     {{OW_LOOP, password_check},
      {OW_READ, password_find},
      {OW_POOL, password_hash},
      {OW_WRITE, password_store},
      {OW_LOOP, password_reply}}},
    {"FindPlayer", sizeof(player_key), {{OW_LOOP, find_player_check}, {OW_READ, find_player_read}}},
    {"ListPlayers", 0, {{OW_READ, list_players}}},
    {"BanPlayer",
     sizeof(account_change),
     {{OW_LOOP, ban_check}, {OW_WRITE, ban_store}, {OW_LOOP, account_tell}}},
    {"UnbanPlayer",
     sizeof(account_change),
     {{OW_LOOP, unban_check}, {OW_WRITE, ban_store}, {OW_LOOP, account_tell}}},
    {"LogoutPlayer",
     sizeof(account_change),
     {{OW_LOOP, logout_player_check},
      {OW_WRITE, logout_player_store},
      {OW_LOOP, logout_player_tell}}},
    {"ExportPlayer",
     sizeof(player_key),
     {{OW_LOOP, export_check}, {OW_READ, export_read}, {OW_LOOP, export_remembered}}},
    {"DeletePlayer",
     sizeof(account_change),
     {{OW_LOOP, delete_check},
      {OW_READ, delete_find},
      {OW_LOOP, delete_remembered},
      {OW_WRITE, delete_store},
      {OW_LOOP, account_tell}}},
    {"RefreshSession",
     sizeof(session_refreshing),
     {{OW_LOOP, refresh_check}, {OW_WRITE, refresh_store}, {OW_LOOP, refresh_reply}}},
    {"ContinueLogin", 0, {{OW_LOOP, continue_login}}},
    {"QuitLoginQueue", 0, {{OW_LOOP, quit_login_queue}}},
    {"Logout",
     sizeof(session_ending),
     {{OW_LOOP, logout_check}, {OW_WRITE, logout_store}, {OW_LOOP, logout_tell}}},
    {"LogoutEverywhere",
     sizeof(session_ending),
     {{OW_LOOP, logout_everywhere_check},
      {OW_WRITE, logout_everywhere_store},
      {OW_LOOP, logout_everywhere_tell}}},
    {"ServerLogin",
     sizeof(server_login),
     {{OW_LOOP, server_login_check},
      {OW_READ, server_login_find},
      {OW_LOOP, server_login_verify},
      {OW_WRITE, server_login_nonce},
      {OW_LOOP, server_login_sign}}},
    {"WhoAmI", 0, {{OW_LOOP, who_am_i}}},
    {"CreateServerKey",
     sizeof(key_change),
     {{OW_LOOP, create_key_check}, {OW_WRITE, create_key_store}, {OW_LOOP, create_key_reply}}},
    {"ListServerKeys", 0, {{OW_READ, list_keys}}},
    {"SetServerKeyLimit",
     sizeof(key_change),
     {{OW_LOOP, key_limit_check}, {OW_WRITE, key_limit_store}, {OW_LOOP, key_limit_reply}}},
    {"RevokeServerKey",
     sizeof(key_change),
     {{OW_LOOP, revoke_key_check}, {OW_WRITE, revoke_key_store}, {OW_LOOP, revoke_key_tell}}},
    {"OperatorLogin",
     sizeof(operator_entering),
     {{OW_LOOP, operator_login_check},
      {OW_READ, operator_login_find},
      {OW_POOL, operator_login_verify},
      {OW_WRITE, operator_login_store},
      {OW_LOOP, operator_login_reply}}},
    {"CreateSignInLink",
     sizeof(link_making),
     {{OW_LOOP, sign_in_link_check},
      {OW_WRITE, sign_in_link_store},
      {OW_LOOP, sign_in_link_reply}}},
    {"FindSignInLink",
     sizeof(link_finding),
     {{OW_LOOP, find_link_check}, {OW_READ, find_link_read}, {OW_LOOP, find_link_reply}}},
    {"RedeemSignInLink",
     sizeof(operator_entering),
     {{OW_LOOP, redeem_link_check},
      {OW_WRITE, redeem_link_store},
      {OW_LOOP, operator_login_reply}}},
    {"OperatorLogout",
     sizeof(operator_leaving),
     {{OW_LOOP, operator_logout_check},
      {OW_WRITE, operator_logout_store},
      {OW_LOOP, operator_logout_tell}}},
    {"ChangeOperatorPassword",
     sizeof(operator_password),
     {{OW_LOOP, operator_password_check},
      {OW_READ, operator_password_find},
      {OW_POOL, operator_password_verify},
      {OW_WRITE, operator_password_store},
      {OW_LOOP, operator_password_tell}}},
    {"AddMember",
     sizeof(member_change),
     {{OW_LOOP, add_member_check},
      {OW_POOL, member_hash},
      {OW_WRITE, add_member_store},
      {OW_LOOP, add_member_reply}}},
    {"ListMembers", 0, {{OW_READ, list_members}}},
    {"SetMemberRole",
     sizeof(member_change),
     {{OW_LOOP, set_role_check}, {OW_WRITE, set_role_store}, {OW_LOOP, set_role_reply}}},
    {"RemoveMember",
     sizeof(member_change),
     {{OW_LOOP, remove_member_check}, {OW_WRITE, remove_member_store}, {OW_LOOP, member_tell}}},
    {"ResetMemberPassword",
     sizeof(member_change),
     {{OW_LOOP, reset_password_check},
      {OW_POOL, member_hash},
      {OW_WRITE, reset_password_store},
      {OW_LOOP, reset_password_reply}}},
    {"CreateApiKey",
     sizeof(api_key_making),
     {{OW_LOOP, create_api_key_check},
      {OW_WRITE, create_api_key_store},
      {OW_LOOP, create_api_key_reply}}},
    {"ListApiKeys", 0, {{OW_READ, list_api_keys}}},
    {"RevokeApiKey",
     sizeof(operator_leaving),
     {{OW_LOOP, revoke_api_key_check},
      {OW_WRITE, revoke_api_key_store},
      {OW_LOOP, operator_logout_tell}}},
    {"ListAudit", 0, {{OW_READ, ow_audit_list_step}}},
    {"VerifyAudit", 0, {{OW_READ, ow_audit_verify_step}}},
    {"RotateSigningKey",
     sizeof(key_rotation),
     {{OW_LOOP, rotate_check},
      {OW_POOL, rotate_make},
      {OW_WRITE, rotate_store},
      {OW_LOOP, rotate_tell},
      {OW_POOL, rotate_clean},
      {OW_LOOP, rotate_reply}}},
    {"WatchVerification", sizeof(watcher), {{OW_LOOP, watch}}},
    {"StartBackup",
     sizeof(ow_audit_entry),
     {{OW_READ, start_backup}, {OW_LOOP, started_backup}, {OW_WRITE, ow_backup_audit_step}}},
    {"ReadBackup", 0, {{OW_POOL, read_backup}}},
    {0},
};
