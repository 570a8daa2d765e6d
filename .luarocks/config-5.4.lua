-- Debian's Lua modules are no rocks; this says which of them stand in for which.
rocks_provided = {
  argparse = "0.7.1-2",
  dkjson = "2.6-1",
  luafilesystem = "1.8.0-1",
}
