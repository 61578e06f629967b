#pragma once

extern const char data_kv_tables[];
extern const char data_audit_tables[];
extern const char data_ends_tables[];
