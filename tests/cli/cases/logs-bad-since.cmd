fairvisor logs --since yesterday
