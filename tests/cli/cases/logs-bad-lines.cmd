fairvisor logs --lines many
