#pragma once

extern const char data_kv_tables[];
