"""What Adv-NTK is compared with: kernel machines of infinite width, trained networks of finite width."""
