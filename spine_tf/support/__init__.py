"""What every package may use: files, devices, versions, downloads. It knows no other package."""
