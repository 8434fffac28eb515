# Cheffromspace/kohya-docker: scripts/start_training.sh
accelerate launch "./sdxl_train_network.py" --learning_rate="3e-05" \
  --lr_scheduler="constant_with_warmup" --lr_scheduler_num_cycles="50" \
  --max_data_loader_n_workers="0" --max_train_epochs=50 --max_train_steps="10000" \
  --min_snr_gamma=5 --network_alpha="32" --network_dim=32 --network_module=networks.lora \
  --optimizer_args scale_parameter=False relative_step=False warmup_init=False \
  --optimizer_type="Adafactor" --text_encoder_lr=3e-05 --train_batch_size="8" --unet_lr=3e-05
