std = "lua54"
max_line_length = 100
exclude_files = { "build*", "lua_modules", "types" }
files["spec/**/*.lua"] = { std = "lua54+busted" }
files["nightjar-*.rockspec"] = { std = "+rockspec" }
files[".luarocks/*.lua"] = { globals = { "rocks_provided" } }
