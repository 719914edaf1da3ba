fairvisor init --template=webhook -
