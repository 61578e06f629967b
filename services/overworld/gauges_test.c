#include "services/overworld/gauges.h"

#include <stdlib.h>
#include <string.h>

#include "core/testing/ow_test.h"
#include "core/version/version.h"

static void tells_version_and_memory(void **state) {
    (void)state;
    ow_metrics *metrics = ow_metrics_new();
    gauges gauges = {0};
    gauges_add(&gauges, metrics);
    size_t size = 0;
    char *text = ow_metrics_text(metrics, &size);
    assert_non_null(strstr(text, "\noverworld_build_info{version=\"" OVERWORLD_VERSION "\"} 1\n"));
    const char *resident = strstr(text, "\nprocess_resident_memory_bytes ");
    assert_non_null(resident);
    assert_true(strtoll(strchr(resident, ' '), NULL, 10) > 100000);
    free(text);
    gauges_remove(&gauges);
    ow_metrics_free(metrics);
}

int main(void) {
    const struct CMUnitTest tests[] = {OW_TEST(tells_version_and_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
