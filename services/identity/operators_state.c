#include "services/identity/operators_state.h"

#include "services/identity/identity_logic.h"

#include <stdlib.h>
#include <string.h>

struct operators_state {
    operator_rows rows;
    operator_token_msg *tokens;
    operator_token_msg **token_list;
    operator_role_msg *roles;
    operator_role_msg **role_list;
};

static void fill_tokens(operators_state *s) {
    for (size_t i = 0; i < s->rows.token_count; i++) {
        operator_token_row *row = &s->rows.tokens[i];
        overworld__identity__v1__operator_token__init(&s->tokens[i]);
        s->tokens[i].operator_id = row->operator_id;
        s->tokens[i].role = row->role;
        s->tokens[i].sha256 = (ProtobufCBinaryData){sizeof row->sha256, row->sha256};
        s->tokens[i].expires_at = row->expires_us / SECOND_US;
        s->tokens[i].is_api_key = ow_id_is(row->token_id, "apk_");
        s->token_list[i] = &s->tokens[i];
    }
}

static void fill_roles(operators_state *s) {
    for (size_t i = 0; i < s->rows.role_count; i++) {
        operator_role_row *row = &s->rows.roles[i];
        overworld__identity__v1__operator_role__init(&s->roles[i]);
        s->roles[i].operator_id = row->operator_id;
        s->roles[i].title_id = row->title;
        s->roles[i].role = row->role;
        s->role_list[i] = &s->roles[i];
    }
}

operators_state *operators_state_new(const operator_rows *rows) {
    operators_state *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return NULL;
    }
    size_t tokens = rows->token_count + 1;
    size_t roles = rows->role_count + 1;
    s->rows = (operator_rows){.tokens = calloc(tokens, sizeof *rows->tokens),
                              .roles = calloc(roles, sizeof *rows->roles),
                              .token_count = rows->token_count,
                              .role_count = rows->role_count};
    s->tokens = calloc(tokens, sizeof *s->tokens);
    s->token_list = calloc(tokens, sizeof(operator_token_msg *));
    s->roles = calloc(roles, sizeof *s->roles);
    s->role_list = calloc(roles, sizeof(operator_role_msg *));
    if (s->rows.tokens == NULL || s->rows.roles == NULL || s->tokens == NULL ||
        s->token_list == NULL || s->roles == NULL || s->role_list == NULL) {
        return operators_state_free(s);
    }
    memcpy(s->rows.tokens, rows->tokens, rows->token_count * sizeof *rows->tokens);
    memcpy(s->rows.roles, rows->roles, rows->role_count * sizeof *rows->roles);
    fill_tokens(s);
    fill_roles(s);
    return s;
}

operators_state *operators_state_free(operators_state *s) {
    if (s != NULL) {
        free(s->rows.tokens);
        free(s->rows.roles);
        free(s->tokens);
        free(s->token_list);
        free(s->roles);
        free(s->role_list);
        free(s);
    }
    return NULL;
}

void operators_state_fill(operators_state *s, verification_state *message) {
    if (s != NULL) {
        message->operator_tokens = s->token_list;
        message->n_operator_tokens = s->rows.token_count;
        message->operator_roles = s->role_list;
        message->n_operator_roles = s->rows.role_count;
    }
}
