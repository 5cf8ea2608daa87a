import AdapterAPI
