/* Everything that a plugin of Extism can ask for, one function each (plugins/extism/README.md). It needs no library of C. */
#include "extism_guest.h"

HOST_USER(upper) Handle host_upper(Handle text);

enum { kRoom = 65536 };
static char input_room[kRoom], answer_room[kRoom], line_room[kRoom];

static void append(Text* text, const char* bytes, size_t size) {
  for (size_t i = 0; i < size && text->size < kRoom; ++i) text->bytes[text->size++] = bytes[i];
}
#define APPEND(text, literal) append(text, literal, sizeof(literal) - 1)

static void append_number(Text* text, uint64_t number) {
  char digits[20];
  size_t count = 0;
  do digits[count++] = (char)('0' + number % 10);
  while ((number /= 10) != 0);
  while (count != 0) append(text, &digits[--count], 1);
}

/* 0: it is none of 32 bits. */
static int read_number(Text text, uint64_t* number) {
  *number = 0;
  for (size_t i = 0; i < text.size; ++i) {
    if (text.bytes[i] < '0' || text.bytes[i] > '9') return 0;
    *number = *number * 10 + (uint64_t)(text.bytes[i] - '0');
    if (*number > UINT32_MAX) return 0;
  }
  return text.size != 0;
}

/* Input, output, configuration, log. */
EXPORT(greet) int32_t greet(void) {
  const Text name = take_input(input_room, kRoom);
  Text line = {line_room, 0};
  APPEND(&line, "greeting ");
  append(&line, name.bytes, name.size);
  host_log_info(give(line.bytes, line.size));

  const Handle greeting = host_config_get(GIVE("greeting"));
  Text answer = take(greeting, answer_room, kRoom);
  if (greeting == 0) APPEND(&answer, "Hello");
  APPEND(&answer, ", ");
  append(&answer, name.bytes, name.size);
  APPEND(&answer, "!");
  set_output(answer);
  return 0;
}

/* A variable: it lives as long as the plugin. */
EXPORT(count) int32_t count(void) {
  uint64_t before = 0;
  const Text kept = take(host_var_get(GIVE("count")), line_room, kRoom);
  if (!read_number(kept, &before)) before = 0;
  Text answer = {answer_room, 0};
  append_number(&answer, before + 1);
  host_var_set(GIVE("count"), give(answer.bytes, answer.size));
  set_output(answer);
  return 0;
}

/* An error, with a code of its own. */
EXPORT(double) int32_t twice(void) {
  const Text text = take_input(input_room, kRoom);
  uint64_t number;
  Text answer = {answer_room, 0};
  if (!read_number(text, &number)) {
    APPEND(&answer, "not a number: ");
    append(&answer, text.bytes, text.size);
    host_error_set(give(answer.bytes, answer.size));
    return 3;
  }
  append_number(&answer, number * 2);
  set_output(answer);
  return 0;
}

/* A request, to a host that the manifest allows. */
EXPORT(fetch) int32_t fetch(void) {
  const Text url = take_input(input_room, kRoom);
  Text request = {line_room, 0};
  APPEND(&request, "{\"headers\":{\"x-plugin\":\"c\"},\"url\":\"");
  for (size_t i = 0; i < url.size; ++i) {
    if (url.bytes[i] == '"' || url.bytes[i] == '\\') APPEND(&request, "\\");
    append(&request, &url.bytes[i], 1);
  }
  APPEND(&request, "\"}");
  const Handle body = host_http_request(give(request.bytes, request.size), 0);
  Text answer = {answer_room, 0};
  append_number(&answer, (uint64_t)host_http_status_code());
  APPEND(&answer, " ");
  const Text text = take(body, input_room, kRoom);
  append(&answer, text.bytes, text.size);
  set_output(answer);
  return 0;
}

/* A function of the host. */
EXPORT(shout) int32_t shout(void) {
  const Text text = take_input(input_room, kRoom);
  const Handle answer = host_upper(give(text.bytes, text.size));
  host_output_set(answer, host_length(answer));
  return 0;
}
