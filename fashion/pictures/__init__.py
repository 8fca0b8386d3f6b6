"""List and read pictures, sheets, splash, remote stores."""
