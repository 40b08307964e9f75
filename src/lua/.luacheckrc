-- What a script of Redis has. `pcall`, `cjson` and other globals exist there too, but the scripts do not use them.
std = {
  globals = {},
  read_globals = {
    "KEYS", "ARGV", "redis", "ipairs", "pairs", "select", "tonumber", "type", "unpack",
    math = { fields = { "ceil", "floor", "huge", "min", "max" } },
    string = { fields = { "find", "format", "gmatch", "match", "sub" } },
  },
}
max_line_length = false -- as they are sent, all arguments are named in one line
