// ow login with a password, logout, password, member ..., apikey ...: operators and what they come with.

#include "cli/list.h"

#include "overworld/identity/v1/identity.pb-c.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define IDENTITY "/overworld.identity.v1.Identity/"

enum { PASSWORD_ROOM = 512 };

typedef Overworld__Identity__V1__Member Member;
typedef Overworld__Identity__V1__ApiKey ApiKey;

// ---- Passwords ----

// One line from a descriptor, without its end; false when there is none.
static bool read_line(int fd, char line[static PASSWORD_ROOM]) {
    size_t size = 0;
    while (size < PASSWORD_ROOM - 1 && read(fd, line + size, 1) == 1 && line[size] != '\n') {
        size++;
    }
    line[size] = '\0';
    line[strcspn(line, "\r\n")] = '\0';
    return line[0] != '\0';
}

static bool ask_terminal(const char *prompt, char line[static PASSWORD_ROOM]) {
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC);
    struct termios before;
    if (fd < 0 || tcgetattr(fd, &before) != 0) {
        return false;
    }
    struct termios silent = before;
    silent.c_lflag &= ~(tcflag_t)ECHO;
    dprintf(fd, "%s: ", prompt);
    tcsetattr(fd, TCSAFLUSH, &silent);
    bool ok = read_line(fd, line);
    tcsetattr(fd, TCSAFLUSH, &before);
    dprintf(fd, "\n");
    close(fd);
    return ok;
}

// From the file of that flag, the terminal, or standard input. Never from the command line, which
// others can see.
static cli_exit read_password(cli *c, const char *flag, const char *prompt, char **ret_password) {
    char line[PASSWORD_ROOM] = "";
    const char *path = cli_text(c, flag);
    bool ok;
    if (path != NULL && strcmp(path, "-") != 0) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ok = fd >= 0 && read_line(fd, line);
        if (fd >= 0) {
            close(fd);
        }
    } else if (path == NULL && isatty(STDIN_FILENO)) {
        ok = ask_terminal(prompt, line);
    } else {
        ok = read_line(STDIN_FILENO, line);
    }
    *ret_password = ow_arena_strdup_in(c->arena, line);
    explicit_bzero(line, sizeof line);
    return ok && *ret_password != NULL
               ? CLI_OK
               : cli_fail(c, CLI_USAGE,
                          "no password: type it, or give --%s FILE (- is standard input)", flag);
}

cli_exit cli_login_by_email(cli *c, const char *email) {
    Overworld__Identity__V1__OperatorLoginRequest request =
        OVERWORLD__IDENTITY__V1__OPERATOR_LOGIN_REQUEST__INIT;
    Overworld__Identity__V1__OperatorLoginResponse *reply;
    const char *name = cli_text(c, "name");
    request.email = (char *)email;
    c->without_token = true;
    cli_exit code = read_password(c, "password-file", "Password", &request.password);
    if (code == CLI_OK) {
        code =
            cli_rpc(c, IDENTITY "OperatorLogin", &request.base,
                    &overworld__identity__v1__operator_login_response__descriptor, false, &reply);
    }
    if (code != CLI_OK) {
        return code;
    }
    cli_profile profile = {.url = c->url, .token = reply->token, .title = cli_text(c, "title")};
    cli_say(c, "operator %s at %s", reply->operator_id, c->url);
    return cli_profile_write(c, name != NULL ? name : "default", &profile);
}

static cli_exit cmd_logout(cli *c) {
    Overworld__Identity__V1__OperatorLogoutRequest request =
        OVERWORLD__IDENTITY__V1__OPERATOR_LOGOUT_REQUEST__INIT;
    Overworld__Identity__V1__OperatorLogoutResponse *reply;
    cli_exit code = cli_connect(c);
    if (code != CLI_OK) {
        return code;
    }
    request.token = (char *)ow_client_access_token(c->client);
    request.everywhere = cli_bool(c, "everywhere");
    code = cli_rpc(c, IDENTITY "OperatorLogout", &request.base,
                   &overworld__identity__v1__operator_logout_response__descriptor, true, &reply);
    if (code == CLI_OK) {
        cli_say(c, reply->ended == 0 ? "this token is no session: %d ended" : "%d sessions ended",
                reply->ended);
    }
    return code;
}

static cli_exit cmd_password(cli *c) {
    Overworld__Identity__V1__ChangeOperatorPasswordRequest request =
        OVERWORLD__IDENTITY__V1__CHANGE_OPERATOR_PASSWORD_REQUEST__INIT;
    void *reply;
    cli_exit code = read_password(c, "old-file", "Old password", &request.old_password);
    if (code == CLI_OK) {
        code = read_password(c, "new-file", "New password", &request.new_password);
    }
    if (code == CLI_OK) {
        code = cli_rpc(c, IDENTITY "ChangeOperatorPassword", &request.base,
                       &overworld__identity__v1__change_operator_password_response__descriptor,
                       true, &reply);
    }
    if (code == CLI_OK) {
        cli_say(c, "changed; all your sessions have ended: ow login --email ...");
    }
    return code;
}

// ---- Members ----

static void tell_password(cli *c, const char *email, const char *password) {
    printf("%s %s\n", email, password);
    cli_say(c, "The password is shown this once. It can be changed with ow password.");
}

static cli_exit cmd_member_add(cli *c) {
    Overworld__Identity__V1__AddMemberRequest request =
        OVERWORLD__IDENTITY__V1__ADD_MEMBER_REQUEST__INIT;
    Overworld__Identity__V1__AddMemberResponse *reply;
    const char *role = cli_text(c, "role");
    request.email = (char *)c->args[0];
    request.role = (char *)(role != NULL ? role : "viewer");
    request.every_title = cli_bool(c, "every-title");
    cli_exit code =
        cli_rpc(c, IDENTITY "AddMember", &request.base,
                &overworld__identity__v1__add_member_response__descriptor, true, &reply);
    if (code != CLI_OK || c->json) {
        return code;
    }
    if (reply->password[0] != '\0') {
        tell_password(c, reply->member->email, reply->password);
    } else {
        cli_say(c, "%s is %s; the password stays as it is", reply->member->email,
                reply->member->role);
    }
    return CLI_OK;
}

static void add_member(cli *c, cli_table *table, const void *entry) {
    const Member *member = entry;
    cli_table_add(c, table, member->email);
    cli_table_add(c, table, member->role);
    cli_table_add(c, table, member->every_title ? "every title" : "this title");
    cli_table_add(c, table, member->operator_id);
    cli_table_add(c, table, cli_ago(c, cli_seconds(member->created_at)));
}

static cli_exit cmd_member_list(cli *c) {
    static const char *const columns[] = {"E-MAIL", "ROLE", "IN", "OPERATOR", "SINCE", NULL};
    Overworld__Identity__V1__ListMembersRequest request =
        OVERWORLD__IDENTITY__V1__LIST_MEMBERS_REQUEST__INIT;
    return cli_list_print(
        c, &(cli_list){.path = IDENTITY "ListMembers",
                       .request = &request.base,
                       .reply_type = &overworld__identity__v1__list_members_response__descriptor,
                       .columns = columns,
                       .add_row = add_member});
}

static cli_exit cmd_member_set_role(cli *c) {
    Overworld__Identity__V1__SetMemberRoleRequest request =
        OVERWORLD__IDENTITY__V1__SET_MEMBER_ROLE_REQUEST__INIT;
    Member *reply;
    request.email = (char *)c->args[0];
    request.role = (char *)c->args[1];
    request.every_title = cli_bool(c, "every-title");
    cli_exit code = cli_rpc(c, IDENTITY "SetMemberRole", &request.base,
                            &overworld__identity__v1__member__descriptor, true, &reply);
    if (code == CLI_OK) {
        cli_say(c, "%s is %s", reply->email, reply->role);
    }
    return code;
}

static cli_exit cmd_member_remove(cli *c) {
    Overworld__Identity__V1__RemoveMemberRequest request =
        OVERWORLD__IDENTITY__V1__REMOVE_MEMBER_REQUEST__INIT;
    void *reply;
    request.email = (char *)c->args[0];
    request.every_title = cli_bool(c, "every-title");
    cli_exit code =
        cli_rpc(c, IDENTITY "RemoveMember", &request.base,
                &overworld__identity__v1__remove_member_response__descriptor, true, &reply);
    if (code == CLI_OK) {
        cli_say(c, "removed %s", c->args[0]);
    }
    return code;
}

static cli_exit cmd_member_reset_password(cli *c) {
    Overworld__Identity__V1__ResetMemberPasswordRequest request =
        OVERWORLD__IDENTITY__V1__RESET_MEMBER_PASSWORD_REQUEST__INIT;
    Overworld__Identity__V1__ResetMemberPasswordResponse *reply;
    request.email = (char *)c->args[0];
    cli_exit code =
        cli_rpc(c, IDENTITY "ResetMemberPassword", &request.base,
                &overworld__identity__v1__reset_member_password_response__descriptor, true, &reply);
    if (code == CLI_OK && !c->json) {
        tell_password(c, c->args[0], reply->password);
    }
    return code;
}

// ---- API keys ----

static cli_exit cmd_apikey_create(cli *c) {
    Overworld__Identity__V1__CreateApiKeyRequest request =
        OVERWORLD__IDENTITY__V1__CREATE_API_KEY_REQUEST__INIT;
    Overworld__Identity__V1__CreateApiKeyResponse *reply;
    const char *role = cli_text(c, "role");
    int64_t days = cli_int(c, "days", 0);
    request.name = (char *)c->args[0];
    request.role = (char *)(role != NULL ? role : "");
    request.days = (int32_t)(days >= 0 && days <= 100000 ? days : -1);
    cli_exit code =
        cli_rpc(c, IDENTITY "CreateApiKey", &request.base,
                &overworld__identity__v1__create_api_key_response__descriptor, true, &reply);
    if (code == CLI_OK && !c->json) {
        printf("%s %s\n", reply->key->key_id, reply->secret);
        cli_say(c, "The secret is shown this once. It is a token: ow login --token-file FILE.");
    }
    return code;
}

static void add_api_key(cli *c, cli_table *table, const void *entry) {
    const ApiKey *key = entry;
    cli_table_add(c, table, key->key_id);
    cli_table_add(c, table, key->name);
    cli_table_add(c, table, key->role);
    cli_table_add(c, table, cli_ago(c, cli_seconds(key->created_at)));
    cli_table_add(c, table, key->expires_at != NULL ? cli_date(c, key->expires_at) : "never");
}

static cli_exit cmd_apikey_list(cli *c) {
    static const char *const columns[] = {"KEY", "NAME", "ROLE", "CREATED", "EXPIRES", NULL};
    Overworld__Identity__V1__ListApiKeysRequest request =
        OVERWORLD__IDENTITY__V1__LIST_API_KEYS_REQUEST__INIT;
    return cli_list_print(
        c, &(cli_list){.path = IDENTITY "ListApiKeys",
                       .request = &request.base,
                       .reply_type = &overworld__identity__v1__list_api_keys_response__descriptor,
                       .columns = columns,
                       .add_row = add_api_key});
}

static cli_exit cmd_apikey_revoke(cli *c) {
    Overworld__Identity__V1__RevokeApiKeyRequest request =
        OVERWORLD__IDENTITY__V1__REVOKE_API_KEY_REQUEST__INIT;
    void *reply;
    request.key_id = (char *)c->args[0];
    cli_exit code =
        cli_rpc(c, IDENTITY "RevokeApiKey", &request.base,
                &overworld__identity__v1__revoke_api_key_response__descriptor, true, &reply);
    if (code == CLI_OK) {
        cli_say(c, "revoked %s", c->args[0]);
    }
    return code;
}

// ---- The table ----

static const cli_flag logout_flags[] = {
    {"everywhere", CLI_FLAG_BOOL, NULL, "end all your sessions"},
    {0},
};

static const cli_flag password_flags[] = {
    {"old-file", CLI_FLAG_TEXT, "FILE", "take the old one from a file; - is standard input"},
    {"new-file", CLI_FLAG_TEXT, "FILE", "take the new one from a file"},
    {0},
};

static const cli_flag member_add_flags[] = {
    {"role", CLI_FLAG_TEXT, "ROLE", "viewer (the default), developer or admin"},
    {"every-title", CLI_FLAG_BOOL, NULL, "in every title, not in this one alone"},
    {0},
};

static const cli_flag member_flags[] = {
    {"every-title", CLI_FLAG_BOOL, NULL, "the role in every title, not the one in this"},
    {0},
};

static const cli_flag apikey_flags[] = {
    {"role", CLI_FLAG_TEXT, "ROLE", "at most this role (default: your own)"},
    {"days", CLI_FLAG_INT, "N", "good for so many days (default: for ever)"},
    {0},
};

const cli_command members_commands[] = {
    {"logout", "", "end the session that you came with", 0, 0, logout_flags, cmd_logout,
     "ow logout --everywhere"},
    {"password", "", "change your password", 0, 0, password_flags, cmd_password, "ow password"},
    {"member add", "EMAIL", "give somebody a role; shows the password of somebody new", 1, 1,
     member_add_flags, cmd_member_add, "ow member add ann@example.com --role developer"},
    {"member list", "", "who has a role in the title", 0, 0, NULL, cmd_member_list,
     "ow member list"},
    {"member set-role", "EMAIL ROLE", "change somebody's role", 2, 2, member_flags,
     cmd_member_set_role, "ow member set-role ann@example.com admin"},
    {"member remove", "EMAIL", "take somebody's role away", 1, 1, member_flags, cmd_member_remove,
     "ow member remove ann@example.com"},
    {"member reset-password", "EMAIL", "make a new password for somebody", 1, 1, NULL,
     cmd_member_reset_password, "ow member reset-password ann@example.com"},
    {"apikey create", "NAME", "make an API key that acts as you; shown once", 1, 1, apikey_flags,
     cmd_apikey_create, "ow apikey create ci --role developer --days 90"},
    {"apikey list", "", "list your API keys", 0, 0, NULL, cmd_apikey_list, "ow apikey list"},
    {"apikey revoke", "KEY_ID", "revoke one of your API keys", 1, 1, NULL, cmd_apikey_revoke,
     "ow apikey revoke apk_01..."},
    {0},
};
