#pragma once

// The CLI's way to the server: where it is, as whom, and calls of its public API.

#include "cli/cli.h"
#include "cli/input.h"
#include "cli/times.h"

#include <protobuf-c/protobuf-c.h>

// Finds address and token and makes the client. First that says something wins:
//   --url / OVERWORLD_URL, --token-file / OVERWORLD_TOKEN_FILE, --title / OVERWORLD_TITLE;
//   --profile / OVERWORLD_PROFILE;
//   --data / OVERWORLD_DATA, the folder itself when it is a data folder, ./.overworld;
//   the profile "default".
cli_exit cli_connect(cli *c);
void cli_disconnect(cli *c);

// Calls a Connect method. With --json and `show` the server's answer is printed as it came. On
// success *ret_reply (in the command's arena) is the message. Failures are told and give the exit
// code that fits.
cli_exit cli_rpc(cli *c, const char *path, const ProtobufCMessage *request,
                 const ProtobufCMessageDescriptor *reply_type, bool show, void *ret_reply);

// The same, but a failure of the call itself is not told: *ret_error has it (reason "" when it was told,
// because the call was never made or its answer could not be read).
cli_exit cli_rpc_untold(cli *c, const char *path, const ProtobufCMessage *request,
                        const ProtobufCMessageDescriptor *reply_type, void *ret_reply,
                        ow_client_error *ret_error);

// Turns a reply of the client into a message. For calls made with the client itself.
cli_exit cli_read_reply(cli *c, const ow_client_reply *reply,
                        const ProtobufCMessageDescriptor *type, void *ret_reply);

// A request as JSON text in the arena; NULL when out of memory.
const char *cli_request_text(cli *c, const ProtobufCMessage *request);

// Tells a failed request and gives the exit code that fits.
cli_exit cli_tell(cli *c, const ow_client_error *error);

// ow login --email: asks for the password, logs in and stores the token in a profile.
cli_exit cli_login_by_email(cli *c, const char *email);

// ---- profile.c ----

typedef struct cli_profile {
    const char *url, *token, *title; // in the arena; NULL: not given
} cli_profile;

// Reads profile `name`; false when there is none (not an error).
bool cli_profile_read(cli *c, const char *name, cli_profile *ret_profile);

// Stores it with mode 0600 under $XDG_CONFIG_HOME/overworld (or ~/.config/overworld).
cli_exit cli_profile_write(cli *c, const char *name, const cli_profile *profile);

// Address and token of the server whose data folder is `folder`; false when it is none.
bool cli_profile_of_folder(cli *c, const char *folder, cli_profile *ret_profile);
