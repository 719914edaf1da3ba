fairvisor init --template=wbhook
