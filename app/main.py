from application import app as application

if __name__ == "__main__":
    application.run(host="localhost", port=5000)
